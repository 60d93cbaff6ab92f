using Ipcs.Node;
using Ipcs.Node.CommandLine;

NativeMemory.Initialize();
NativeLibraries.Initialize();
return await Cli.RunAsync(args);
