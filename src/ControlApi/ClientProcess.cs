using Ipcs.Blockstore.Posix;
using System.Buffers.Binary;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Ipcs.ControlApi;

/// <summary>
/// The process that connected to the control API's Unix socket, when this process may duplicate its open files: it runs as root or as the
/// same user. It is identified by a pidfd (Linux 6.5), since its process number may have been reused. Owns the pidfd.
/// </summary>
internal sealed partial class ClientProcess : IDisposable
{
    // https://man7.org/linux/man-pages/man7/unix.7.html: SOL_SOCKET, SO_PEERCRED { pid, uid, gid }, SO_PEERPIDFD
    private const int SocketLevel = 1;
    private const int PeerCredentials = 17;
    private const int PeerPidFd = 77;

    // https://man7.org/linux/man-pages/man2/pidfd_getfd.2.html; the number is the same on every architecture.
    private const int PidFdGetFd = 438;

    // errno of Linux: https://man7.org/linux/man-pages/man3/errno.3.html
    private const int BadDescriptor = 9;

    private readonly SafeFileHandle _process;

    private ClientProcess(SafeFileHandle process) => _process = process;

    /// <summary>Opens the process at the other end of a connection.</summary>
    /// <param name="connection">An accepted connection; null when it is not known.</param>
    /// <param name="descriptor">A descriptor that the client passes. Duplicating it proves that the process is the client and not a proxy
    /// in front of it.</param>
    /// <exception cref="ApiException">Status 501: descriptors can't be duplicated here. The client can still send the files'
    /// bytes.</exception>
    public static ClientProcess Open(Socket? connection, int descriptor)
    {
        if (connection is not { AddressFamily: AddressFamily.Unix })
        {
            throw Unavailable("the connection is not over a Unix socket");
        }

        try
        {
            Span<byte> credentials = stackalloc byte[3 * sizeof(int)];
            _ = connection.GetRawSocketOption(SocketLevel, PeerCredentials, credentials);
            uint user = BinaryPrimitives.ReadUInt32LittleEndian(credentials[sizeof(int)..]);
            if (user != 0 && user != geteuid())
            {
                throw Unavailable("the client runs as another user");
            }

            Span<byte> pidFd = stackalloc byte[sizeof(int)];
            _ = connection.GetRawSocketOption(SocketLevel, PeerPidFd, pidFd);
            var process = new SafeFileHandle(BinaryPrimitives.ReadInt32LittleEndian(pidFd), ownsHandle: true);
            return new ClientProcess(process).Probe(descriptor);
        }
        catch (SocketException e)
        {
            throw Unavailable(e.Message);
        }
    }

    /// <summary>Duplicates the descriptor of a regular file that the process has open for reading and has marked.</summary>
    /// <exception cref="ApiException">Status 400: the descriptor is not open, not marked or not a regular file's.</exception>
    public PassedFile OpenFile(int descriptor)
    {
        SafeFileHandle file = Duplicate(descriptor, out int error);
        string? problem = error == BadDescriptor ? "is not open in the client"
            : error != 0 ? $"can't be duplicated: {Marshal.GetPInvokeErrorMessage(error)}"
            : !PassedDescriptor.IsMarked(file) ? "is not open read-only and marked as passed"
            : !FileKind.IsRegular(file) ? "is not a regular file"
            : null;
        if (problem is null)
        {
            return new PassedFile(file, descriptor);
        }

        file.Dispose();
        throw ApiException.Bad($"descriptor {descriptor} {problem}");
    }

    /// <inheritdoc/>
    public void Dispose() => _process.Dispose();

    private static ApiException Unavailable(string why) =>
        new($"files can't be passed as descriptors: {why}", StatusCodes.Status501NotImplemented);

    private ClientProcess Probe(int descriptor)
    {
        try
        {
            OpenFile(descriptor).Dispose();
            return this;
        }
        catch (ApiException e)
        {
            Dispose();
            throw Unavailable(e.Message);
        }
    }

    private SafeFileHandle Duplicate(int descriptor, out int error)
    {
        nint copy = syscall(PidFdGetFd, _process, descriptor, 0);
        error = copy < 0 ? Marshal.GetLastPInvokeError() : 0;
        return new SafeFileHandle(copy, ownsHandle: true);
    }

    [LibraryImport("libc", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial nint syscall(nint number, SafeFileHandle process, nint descriptor, nint flags);

    [LibraryImport("libc")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial uint geteuid();
}
