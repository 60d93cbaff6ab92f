using Ipcs.Node;
using Ipcs.Node.CommandLine;

if (args is ["containerd", "layer"])
{
    return await LayerCommand.RunAsync();
}

NativeMemory.Initialize();
NativeLibraries.Initialize();
return await Cli.RunAsync(args);
