using Ipcs.Node;
using Ipcs.Node.CommandLine;

NativeLibraries.Initialize();
return await Cli.RunAsync(args);
