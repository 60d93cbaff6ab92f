using System.Net;
using Ipcs.Libp2p.Transport;

namespace Ipcs.Libp2p.Tests.Robustness;

/// <summary>A transport with a fixed input; output is discarded.</summary>
internal sealed class FixedChannel(byte[] input) : ITransportChannel
{
    private int _at;

    public IPEndPoint RemoteEndPoint { get; } = new(IPAddress.Loopback, 1);

    public bool HasBuffered => true;

    public ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken)
    {
        int n = Math.Min(buffer.Length, input.Length - _at);
        input.AsSpan(_at, n).CopyTo(buffer.Span);
        _at += n;
        return new ValueTask<int>(n);
    }

    public ValueTask WaitForDataAsync(CancellationToken cancellationToken) => default;

    public ValueTask WriteAsync(ReadOnlyMemory<byte> data, CancellationToken cancellationToken) => default;

    public void CloseWrite()
    {
    }

    public void Dispose()
    {
    }
}
