using Ipcs.Node;
using Ipcs.Node.CommandLine;

if (args is ["containerd", "layer", var apiSocket])
{
    return await LayerCommand.RunAsync(apiSocket);
}

NativeMemory.Initialize();
NativeLibraries.Initialize();
return await Cli.RunAsync(args);
