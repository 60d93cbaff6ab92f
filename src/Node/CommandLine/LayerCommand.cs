using System.Globalization;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using Ipcs.Multiformats;
using Ipcs.Node.Containerd;
using Ipcs.Oci.Sources;
using Microsoft.Win32.SafeHandles;

namespace Ipcs.Node.CommandLine;

/// <summary>
/// <c>ipcs containerd layer SOCKET</c>: containerd runs it (<see cref="LayerProcessor"/>). A layer comes on standard input, or its name on descriptor 3, and goes
/// as a tar to standard output. Of what comes on standard input only the begin is read, if the daemon can tell from it which content containerd reads:
/// the rest comes in one stream. That it is the right one does not depend on this: containerd compares the tar with the image's diff id. Not one of the commands for people: it is run once for each layer, and begins with nothing of what those need.
/// </summary>
internal static partial class LayerCommand
{
    /// <summary>By which containerd says what comes.</summary>
    private const string MediaTypeVariable = "STREAM_PROCESSOR_MEDIATYPE";

    private const int PayloadDescriptor = 3;

    /// <summary>Of one read and one write, in bytes, and of the pipes to and from containerd: what an unprivileged process may ask for.</summary>
    private const int CopyLength = 1 << 18, PipeLength = 1 << 20;

    // https://man7.org/linux/man-pages/man2/F_GETPIPE_SZ.2const.html
    private const int SetPipeSize = 1031;

    /// <summary>
    /// As much as is read from standard input before the daemon is asked what it is. Smaller layers come that way as a whole.
    /// </summary>
    private const int BeginLength = 1 << 17;

    /// <summary>The daemon answers this from memory and a few blocks; after it the layer comes from standard input.</summary>
    private static readonly TimeSpan AskTime = TimeSpan.FromSeconds(1);

    /// <summary>Does it; what it returns is the exit status of the process, with one line on stderr if it is not 0.</summary>
    /// <param name="apiSocket">The control socket of the daemon that is containerd's content store.</param>
    public static async Task<int> RunAsync(string apiSocket)
    {
        // Both sides work on while the other one does; where a pipe can't be made larger it stays as it is.
        _ = fcntl(1, SetPipeSize, PipeLength);
        try
        {
            if (Environment.GetEnvironmentVariable(MediaTypeVariable) == LayerProcessor.FromDaemon)
            {
                using var payload = new FileStream(new SafeFileHandle(PayloadDescriptor, ownsHandle: true), FileAccess.Read, bufferSize: 0);
                (string socket, Digest digest) = LayerProcessor.ParsePayload(payload);
                using var client = new ApiClient(socket);
                await CopyFromDaemonAsync(client, digest.ToString(), begin: default);
                return 0;
            }

            using var input = new FileStream(new SafeFileHandle(0, ownsHandle: false), FileAccess.Read, bufferSize: 0);
            byte[] begin = new byte[BeginLength];
            int length = input.ReadAtLeast(begin, begin.Length, throwOnEndOfStream: false);
            if (length == begin.Length)
            {
                using var client = new ApiClient(apiSocket);
                if (await AskAsync(client, begin) is { } digest)
                {
                    await CopyFromDaemonAsync(client, digest, begin);
                    return 0;
                }

                _ = fcntl(0, SetPipeSize, PipeLength);
            }

            Copy(new BegunStream(begin.AsMemory(0, length), new BufferedStream(input, CopyLength)));
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
            return 1;
        }
    }

    /// <summary>Which content it is that containerd reads for us piece by piece; null when that is not sure.</summary>
    private static async Task<string?> AskAsync(ApiClient client, byte[] begin)
    {
        using var limit = new CancellationTokenSource(AskTime);
        try
        {
            var query = GlobalOptions.Query(("arg", Convert.ToHexStringLower(SHA256.HashData(begin))), ("length", begin.Length.ToString(CultureInfo.InvariantCulture)));
            return (string?)(await client.CallAsync("ipcs/content/reading", query, limit.Token))["digest"];
        }
        catch (Exception e) when (e is CommandException or OperationCanceledException or IOException or HttpRequestException)
        {
            return null;
        }
    }

    private static Task CopyFromDaemonAsync(ApiClient client, string digest, ReadOnlyMemory<byte> begin) => client.ReadAsync(
        "cat",
        GlobalOptions.Query(("arg", digest), ("offset", begin.Length.ToString(CultureInfo.InvariantCulture))),
        rest => Task.Run(() => Copy(new BegunStream(begin, rest))),
        CancellationToken.None);

    private static void Copy(Stream layer)
    {
        using Stream tar = LayerTar.Open(layer);
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
