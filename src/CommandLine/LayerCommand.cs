using System.Runtime.InteropServices;
using Ipcs.Multiformats;
using Ipcs.Oci.Containerd;
using Ipcs.Oci.Sources;
using Microsoft.Win32.SafeHandles;

namespace Ipcs.CommandLine;

/// <summary>
/// <c>ipcs containerd layer SOCKET</c>, which containerd runs as a stream processor (<see cref="LayerProcessor"/>). Reads a layer from
/// standard input, or its digest from descriptor 3, and writes it as a tar to standard output. It runs once for each layer, so it starts
/// without the command line's parser.
/// </summary>
public static partial class LayerCommand
{
    /// <summary>The environment variable in which containerd passes the media type of the input.</summary>
    private const string MediaTypeVariable = "STREAM_PROCESSOR_MEDIATYPE";

    private const int PayloadDescriptor = 3;

    /// <summary>How many bytes are read and written at a time.</summary>
    private const int CopyLength = 1 << 18;

    /// <summary>The capacity of the pipe to containerd in bytes: the most that an unprivileged process may set.</summary>
    private const int PipeLength = 1 << 20;

    // https://man7.org/linux/man-pages/man2/F_GETPIPE_SZ.2const.html
    private const int SetPipeSize = 1031;

    /// <summary>
    /// Runs the command. Returns the exit status of the process. One that is not 0 comes with one line on standard error.
    /// </summary>
    /// <param name="apiSocket">The control socket of the daemon that is containerd's content store.</param>
    public static async Task<int> RunAsync(string apiSocket)
    {
        // With a larger pipe both processes run in parallel. Without one the command works too, so an error is ignored.
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
            // containerd has closed the pipe, and reports its own error.
            return 1;
        }
        catch (Exception e) when (LayerTar.IsInvalidData(e) || e is CommandException or IOException)
        {
            Terminal.Error($"the layer can't be unpacked: {e.Message}");
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

        // The end of the output is what containerd waits for; that of the process takes 2 ms longer.
        _ = close(1);
    }

    [LibraryImport("libc")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int fcntl(int descriptor, int command, nint argument);

    [LibraryImport("libc")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int close(int descriptor);
}
