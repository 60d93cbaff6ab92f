namespace Ipcs.Libp2p.Transport;

/// <summary>Ordered bytes in both directions: what a negotiation uses of a socket, a secured connection or a stream.</summary>
internal interface IByteChannel
{
    /// <summary>True when a read completes without waiting.</summary>
    bool HasBuffered { get; }

    /// <summary>Reads at least one byte; 0 at the end.</summary>
    ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken);

    /// <summary>Writes and sends all bytes.</summary>
    ValueTask WriteAsync(ReadOnlyMemory<byte> data, CancellationToken cancellationToken);
}
