using Ipcs.Blockstore.Posix;
using System.Buffers.Binary;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Ipcs.ControlApi;

/// <summary>
/// The process that connected to our Unix socket, as far as it is one whose open files we may duplicate: root's or our own user's, and the kernel lets us.
/// The kernel says which it is by a handle (Linux 6.5), not by a number that another process may have got meanwhile. Owns the handle.
/// </summary>
internal sealed partial class PeerProcess : IDisposable
{
    // https://man7.org/linux/man-pages/man7/unix.7.html: SOL_SOCKET, SO_PEERCRED { pid, uid, gid }, SO_PEERPIDFD
    private const int SocketLevel = 1;
    private const int PeerCredentials = 17;
    private const int PeerHandle = 77;

    // https://man7.org/linux/man-pages/man2/pidfd_getfd.2.html; the number is the same on every architecture.
    private const int GetDescriptor = 438;

    // errno of Linux: https://man7.org/linux/man-pages/man3/errno.3.html
    private const int NotOpen = 9;

    private readonly SafeFileHandle _process;

    private PeerProcess(SafeFileHandle process) => _process = process;

    /// <summary>The process at the other end of a connection.</summary>
    /// <param name="connection">An accepted connection; may be null.</param>
    /// <param name="descriptor">One that the client says to have passed. Who connected to us may be a proxy, which has none such.</param>
    /// <exception cref="ApiException">Status 501: its files can't be taken from here; as bodies they can.</exception>
    public static PeerProcess Open(Socket? connection, int descriptor)
    {
        if (connection is not { AddressFamily: AddressFamily.Unix })
        {
            throw Unable("the connection is not a Unix socket's");
        }

        try
        {
            Span<byte> credentials = stackalloc byte[3 * sizeof(int)];
            _ = connection.GetRawSocketOption(SocketLevel, PeerCredentials, credentials);
            uint user = BinaryPrimitives.ReadUInt32LittleEndian(credentials[sizeof(int)..]);
            if (user != 0 && user != geteuid())
            {
                throw Unable("the client is another user's");
            }

            Span<byte> handle = stackalloc byte[sizeof(int)];
            _ = connection.GetRawSocketOption(SocketLevel, PeerHandle, handle);
            return new PeerProcess(new SafeFileHandle(BinaryPrimitives.ReadInt32LittleEndian(handle), ownsHandle: true)).Tried(descriptor);
        }
        catch (SocketException e)
        {
            throw Unable(e.Message);
        }
    }

    /// <summary>Duplicates a plain file that the process has open for reading and has marked.</summary>
    /// <exception cref="ApiException">It is not open there, or something else.</exception>
    public PassedFile OpenFile(int descriptor)
    {
        SafeFileHandle file = Duplicate(descriptor, out int error);
        string? problem = error == NotOpen ? "is not open in the client"
            : error != 0 ? $"can't be duplicated: {Marshal.GetPInvokeErrorMessage(error)}"
            : !PassedDescriptor.IsMarked(file) ? "is not open for reading alone and marked as passed"
            : !FileKind.IsRegular(file) ? "is not a plain file"
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

    private static ApiException Unable(string why) => new($"files can't be passed as descriptors: {why}", StatusCodes.Status501NotImplemented);

    private PeerProcess Tried(int descriptor)
    {
        try
        {
            OpenFile(descriptor).Dispose();
            return this;
        }
        catch (ApiException e)
        {
            Dispose();
            throw Unable(e.Message);
        }
    }

    private SafeFileHandle Duplicate(int descriptor, out int error)
    {
        nint copy = syscall(GetDescriptor, _process, descriptor, 0);
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
