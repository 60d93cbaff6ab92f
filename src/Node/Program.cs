using Ipcs.CommandLine;
using Ipcs.Node.Commands;
using Ipcs.Node.Daemon;
using Ipcs.Node.Native;
using Ipcs.Node.Options;

LastResort.Install();
return await LastResort.RunAsync(async () =>
{
    TimeProvider time = TimeProvider.System;
    if (args is ["containerd", "layer", var apiSocket])
    {
        return await LayerCommand.RunAsync(apiSocket);
    }

    if (args is ["containerd", OutputLinger.Command, var pid])
    {
        await OutputLinger.WaitAsync(pid, time);
        return 0;
    }

    GlibcAllocator.Configure();
    NativeLibraries.Initialize();
    var defaults = new NodeOptions();
    return await Cli.RunAsync(args, new CliSettings(
        ProductVersion.Number,
        ComponentVersions.Document,
        defaults.ApiSocket,
        defaults.ContentSocket,
        global => [DaemonCommand.Build(global), InitCommand.Build(global), ConfigCommand.Build(global)],
        global => [RecoverCommand.Build(global)],
        time));
});
