using Ipcs.Multiformats;

namespace Ipcs.Libp2p;

/// <summary>
/// An application stream: ordered bytes in both directions, each direction closed separately. One reader and one writer at a time.
/// Disposing closes both directions in order when nothing failed, and resets the stream otherwise.
/// </summary>
public abstract class PeerStream : IAsyncDisposable
{
    /// <summary>The peer at the other end.</summary>
    public abstract PeerId RemotePeer { get; }

    /// <summary>The negotiated protocol.</summary>
    public abstract string Protocol { get; }

    /// <summary>Reads the available bytes, at least one; 0 when the peer has closed its side.</summary>
    /// <exception cref="StreamResetException">The stream was reset or its connection has ended.</exception>
    public abstract ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken);

    /// <summary>
    /// Reads until the buffer is full, without resuming the caller for each piece; fewer bytes only when the peer has closed its side.
    /// </summary>
    /// <remarks>A cancelled read loses the bytes that it had read: the stream can then only be reset.</remarks>
    /// <exception cref="StreamResetException">The stream was reset or its connection has ended.</exception>
    public abstract ValueTask<int> ReadFullyAsync(Memory<byte> buffer, CancellationToken cancellationToken);

    /// <summary>Writes all bytes, waiting while the peer is slow. The buffer may be reused when the task has completed.</summary>
    /// <exception cref="StreamResetException">The stream was reset or its connection has ended.</exception>
    public ValueTask WriteAsync(
        ReadOnlyMemory<byte> data, CancellationToken cancellationToken) => WriteAsync(data, flush: true, cancellationToken);

    /// <summary>
    /// Writes all bytes. Without <paramref name="flush"/> they may stay buffered until the next write, which must follow at once.
    /// </summary>
    /// <exception cref="StreamResetException">The stream was reset or its connection has ended.</exception>
    public abstract ValueTask WriteAsync(ReadOnlyMemory<byte> data, bool flush, CancellationToken cancellationToken);

    /// <summary>Closes this side for writing; the peer may go on sending.</summary>
    public abstract ValueTask CloseWriteAsync(CancellationToken cancellationToken);

    /// <summary>Ends both directions at once; the peer sees a reset.</summary>
    public abstract void Reset();

    /// <inheritdoc/>
    public abstract ValueTask DisposeAsync();
}
