using Ipcs.Node;
using Ipcs.Node.CommandLine;

if (args is ["containerd", "layer", var apiSocket])
{
    return await LayerCommand.RunAsync(apiSocket);
}

if (args is ["containerd", OutputHold.Command, var pid])
{
    await OutputHold.WaitAsync(pid);
    return 0;
}

NativeMemory.Initialize();
NativeLibraries.Initialize();
return await Cli.RunAsync(args);
