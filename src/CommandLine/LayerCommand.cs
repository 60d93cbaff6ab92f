using System.Runtime.InteropServices;
using Ipcs.Multiformats;
using Ipcs.Oci.Containerd;
using Ipcs.Oci.Sources;
using Microsoft.Win32.SafeHandles;

namespace Ipcs.CommandLine;

/// <summary>
/// <c>ipcs containerd layer SOCKET</c>: containerd runs it (<see cref="LayerProcessor"/>). A layer comes on standard input, or its name on descriptor 3, and goes
/// as a tar to standard output. Not one of the commands for people: it is run once for each layer, and begins with nothing of what those need.
/// </summary>
public static partial class LayerCommand
{
    /// <summary>By which containerd says what comes.</summary>
    private const string MediaTypeVariable = "STREAM_PROCESSOR_MEDIATYPE";

    private const int PayloadDescriptor = 3;

    /// <summary>Of one read and one write, and of the pipe to containerd, in bytes: what an unprivileged process may ask for.</summary>
    private const int CopyLength = 1 << 18, PipeLength = 1 << 20;

    // https://man7.org/linux/man-pages/man2/F_GETPIPE_SZ.2const.html
    private const int SetPipeSize = 1031;

    /// <summary>Does it; what it returns is the exit status of the process, with one line on stderr if it is not 0.</summary>
    /// <param name="apiSocket">The control socket of the daemon that is containerd's content store.</param>
    public static async Task<int> RunAsync(string apiSocket)
    {
        // Each side works on while the other one does; a pipe that can't be made larger stays as it is.
        _ = fcntl(1, SetPipeSize, PipeLength);
        try
        {
            if (Environment.GetEnvironmentVariable(MediaTypeVariable) == LayerProcessor.FromDaemon)
            {
                using var payload = new FileStream(new SafeFileHandle(PayloadDescriptor, ownsHandle: true), FileAccess.Read, bufferSize: 0);
                (string socket, Digest digest) = LayerProcessor.ParsePayload(payload);
                using var client = new ApiClient(socket);
                Copy(await client.OpenAsync("cat", GlobalOptions.Query(("arg", digest.ToString())), CancellationToken.None));
                return 0;
            }

            using var input = new FileStream(new SafeFileHandle(0, ownsHandle: false), FileAccess.Read, bufferSize: 0);
            Copy(new LayerInput(input, apiSocket));
            return 0;
        }
        catch (BrokenPipeException)
        {
            // containerd has given up; it knows why.
            return 1;
        }
        catch (Exception e) when (LayerTar.IsBroken(e) || e is CommandException or IOException)
        {
            await Console.Error.WriteLineAsync($"ipcs: the layer can't be unpacked: {e.Message.ReplaceLineEndings(" ")}");
            OutputLinger.Start();
            return 1;
        }
    }

    private static void Copy(Stream layer)
    {
        using Stream tar = LayerTar.Open(new BufferedStream(layer, CopyLength));
        var output = new StandardOutput();
        byte[] buffer = new byte[CopyLength];
        for (int n; (n = tar.Read(buffer)) > 0;)
        {
            output.Write(buffer.AsSpan(0, n));
        }
    }

    [LibraryImport("libc")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int fcntl(int descriptor, int command, nint argument);
}
