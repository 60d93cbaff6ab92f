using System.Buffers;
using System.Net;
using System.Security.Cryptography;
using Ipcs.Libp2p.Transport;
using Ipcs.Multiformats;

namespace Ipcs.Libp2p.Security.Pnet;

/// <summary>
/// A transport encrypted with a swarm key. Spec: https://github.com/libp2p/specs/blob/master/pnet/Private-Networks-PSK-V1.md.
/// <code>each direction = 24 random bytes (the nonce), then everything under XSalsa20</code>
/// It keeps peers without the key out and proves nothing else; Noise, above it, proves identities. Owns the transport.
/// </summary>
internal sealed class PnetChannel : ITransportChannel
{
    private const string Purpose = "pnet";
    private const int ChunkLength = 64 * 1024;

    private readonly ITransportChannel _inner;
    private readonly XSalsa20 _sender;
    private readonly XSalsa20 _receiver;

    private PnetChannel(ITransportChannel inner, XSalsa20 sender, XSalsa20 receiver)
    {
        _inner = inner;
        _sender = sender;
        _receiver = receiver;
    }

    /// <inheritdoc/>
    public IPEndPoint RemoteEndPoint => _inner.RemoteEndPoint;

    /// <inheritdoc/>
    public bool HasBuffered => _inner.HasBuffered;

    /// <summary>Exchanges the nonces.</summary>
    public static async Task<PnetChannel> HandshakeAsync(ITransportChannel inner, SwarmKey key, CancellationToken cancellationToken)
    {
        byte[] ours = RandomNumberGenerator.GetBytes(XSalsa20.NonceLength);
        byte[] theirs = new byte[XSalsa20.NonceLength];
        await inner.WriteAsync(ours, cancellationToken);
        await inner.ReadExactlyAsync(theirs, cancellationToken);
        return new PnetChannel(inner, new XSalsa20(key.Bytes, ours), new XSalsa20(key.Bytes, theirs));
    }

    /// <inheritdoc/>
    public async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken)
    {
        int n = await _inner.ReadAsync(buffer, cancellationToken);
        _receiver.Apply(buffer.Span[..n]);
        return n;
    }

    /// <inheritdoc/>
    public ValueTask WaitForDataAsync(CancellationToken cancellationToken) => _inner.WaitForDataAsync(cancellationToken);

    /// <inheritdoc/>
    public async ValueTask WriteAsync(ReadOnlyMemory<byte> data, CancellationToken cancellationToken)
    {
        byte[] chunk = ArrayPool<byte>.Shared.Rent(Math.Min(data.Length, ChunkLength));
        BufferCounts.Rented(Purpose);
        try
        {
            while (data.Length > 0)
            {
                int n = Math.Min(data.Length, chunk.Length);
                data.Span[..n].CopyTo(chunk);
                _sender.Apply(chunk.AsSpan(0, n));
                await _inner.WriteAsync(chunk.AsMemory(0, n), cancellationToken);
                data = data[n..];
            }
        }
        finally
        {
            BufferCounts.Returned(Purpose);
            ArrayPool<byte>.Shared.Return(chunk);
        }
    }

    /// <inheritdoc/>
    public void CloseWrite() => _inner.CloseWrite();

    /// <inheritdoc/>
    public void Dispose() => _inner.Dispose();
}
