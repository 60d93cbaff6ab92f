using Ipcs.Bitswap.Exchange;
using Ipcs.Libp2p;
using Ipcs.Multiformats;

namespace Ipcs.Bitswap.Tests;

/// <summary>A stream that returns the given bytes, at most a slice of them per read.</summary>
internal sealed class BytesStream(ReadOnlyMemory<byte> bytes, int slice) : PeerStream
{
    private ReadOnlyMemory<byte> _bytes = bytes;

    public override PeerId RemotePeer => default;

    public override string Protocol => BitswapProtocols.Compressed;

    public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken) =>
        ValueTask.FromResult(Read(buffer, slice));

    public override ValueTask<int> ReadFullyAsync(Memory<byte> buffer, CancellationToken cancellationToken) =>
        ValueTask.FromResult(Read(buffer, buffer.Length));

    public override ValueTask WriteAsync(ReadOnlyMemory<byte> data, bool flush, CancellationToken cancellationToken) =>
        throw new NotSupportedException();

    public override ValueTask CloseWriteAsync(CancellationToken cancellationToken) => throw new NotSupportedException();

    public override void Reset() => _bytes = default;

    public override ValueTask DisposeAsync() => ValueTask.CompletedTask;

    private int Read(Memory<byte> buffer, int most)
    {
        int n = Math.Min(Math.Min(buffer.Length, most), _bytes.Length);
        _bytes[..n].CopyTo(buffer);
        _bytes = _bytes[n..];
        return n;
    }
}
