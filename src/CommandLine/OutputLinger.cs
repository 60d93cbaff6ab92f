using System.Diagnostics;
using System.Globalization;

namespace Ipcs.CommandLine;

/// <summary>
/// Keeps standard output open until the parent of this process has its exit status. containerd 1.6 takes the end of a stream processor's
/// output for the end of the layer, and then checks for a failed processor without waiting for its exit: it mostly reported a wrong diff id
/// instead of the reason. https://github.com/containerd/containerd/blob/v1.6.20/diff/stream_unix.go
/// </summary>
public static class OutputLinger
{
    /// <summary>The command <c>ipcs containerd layer-hold PID</c>, which keeps the output open after this process has exited.</summary>
    public const string Command = "layer-hold";

    /// <summary>How long the output stays open at most.</summary>
    private static readonly TimeSpan MaxTime = TimeSpan.FromSeconds(5);

    private static readonly TimeSpan PollInterval = TimeSpan.FromMilliseconds(2);

    /// <summary>The time that containerd needs to record an exit status that it has read.</summary>
    private static readonly TimeSpan RecordTime = TimeSpan.FromMilliseconds(100);

    /// <summary>Starts the process that runs the command. It inherits nothing but standard output.</summary>
    public static void Start()
    {
        var command = new ProcessStartInfo(
            Environment.ProcessPath!, ["containerd", Command, Environment.ProcessId.ToString(CultureInfo.InvariantCulture)])
        {
            RedirectStandardInput = true,
            RedirectStandardError = true,
        };
        using var process = Process.Start(command);
    }

    /// <summary>Runs the command: waits until the process has exited and its parent has read the exit status.</summary>
    public static async Task WaitAsync(string pid, TimeProvider time)
    {
        long start = time.GetTimestamp();
        while (Directory.Exists($"/proc/{pid}") && time.GetElapsedTime(start) < MaxTime)
        {
            await Task.Delay(PollInterval, time);
        }

        await Task.Delay(RecordTime, time);
    }
}
