Console.WriteLine("ipcs");
