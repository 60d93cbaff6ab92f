using System.Diagnostics;
using System.Globalization;

namespace Ipcs.CommandLine;

/// <summary>
/// Keeps standard output open until whoever started this process has its exit status. containerd 1.6 takes the end of a stream processor's output for the end
/// of the layer, and then looks whether the processor has failed without waiting for it: the reason was mostly lost, and the user told of a wrong diff id.
/// https://github.com/containerd/containerd/blob/v1.6.20/diff/stream_unix.go
/// </summary>
public static class OutputLinger
{
    /// <summary>The command, <c>ipcs containerd layer-hold PID</c>, that holds it when this process is no more.</summary>
    public const string Command = "layer-hold";

    private static readonly TimeSpan Longest = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan Look = TimeSpan.FromMilliseconds(2);

    /// <summary>Between a status that is taken and one that is written where it is looked for.</summary>
    private static readonly TimeSpan Settle = TimeSpan.FromMilliseconds(100);

    /// <summary>Starts a process that has our standard output and nothing else of ours.</summary>
    public static void Start()
    {
        var command = new ProcessStartInfo(Environment.ProcessPath!, ["containerd", Command, Environment.ProcessId.ToString(CultureInfo.InvariantCulture)])
        {
            RedirectStandardInput = true,
            RedirectStandardError = true,
        };
        using var holder = Process.Start(command);
    }

    /// <summary>What that process does: it waits until the other one has ended and its status been taken.</summary>
    public static async Task WaitAsync(string pid)
    {
        var waited = Stopwatch.StartNew();
        while (Directory.Exists($"/proc/{pid}") && waited.Elapsed < Longest)
        {
            await Task.Delay(Look);
        }

        await Task.Delay(Settle);
    }
}
