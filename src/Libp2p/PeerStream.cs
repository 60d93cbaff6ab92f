using Ipcs.Multiformats;

namespace Ipcs.Libp2p;

/// <summary>
/// An application stream: ordered bytes both ways, each way closed by itself. One reader and one writer at a time.
/// Disposing closes both ways in order when nothing failed and resets otherwise.
/// </summary>
public abstract class PeerStream : IAsyncDisposable
{
    /// <summary>Who is at the other end.</summary>
    public abstract PeerId RemotePeer { get; }

    /// <summary>The protocol agreed on.</summary>
    public abstract string Protocol { get; }

    /// <summary>Reads what is there, at least one byte; 0 when the peer has closed its side.</summary>
    /// <exception cref="StreamResetException">The stream was reset or its connection is gone.</exception>
    public abstract ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken);

    /// <summary>Reads until the buffer is full, without waking the caller for each piece; fewer bytes only when the peer has closed its side.</summary>
    /// <remarks>Once this is cancelled, what it had read is lost: the stream is good for a reset.</remarks>
    /// <exception cref="StreamResetException">The stream was reset or its connection is gone.</exception>
    public abstract ValueTask<int> ReadFullyAsync(Memory<byte> buffer, CancellationToken cancellationToken);

    /// <summary>Writes all; waits while the peer is slow. The buffer may be reused when the task is done.</summary>
    /// <exception cref="StreamResetException">The stream was reset or its connection is gone.</exception>
    public ValueTask WriteAsync(ReadOnlyMemory<byte> data, CancellationToken cancellationToken) => WriteAsync(data, flush: true, cancellationToken);

    /// <summary>Writes all; without <paramref name="flush"/> the bytes may wait for the next write, which must follow at once.</summary>
    /// <exception cref="StreamResetException">The stream was reset or its connection is gone.</exception>
    public abstract ValueTask WriteAsync(ReadOnlyMemory<byte> data, bool flush, CancellationToken cancellationToken);

    /// <summary>Closes our side; the peer's may go on.</summary>
    public abstract ValueTask CloseWriteAsync(CancellationToken cancellationToken);

    /// <summary>Ends both ways at once; the peer sees a reset.</summary>
    public abstract void Reset();

    /// <inheritdoc/>
    public abstract ValueTask DisposeAsync();
}
