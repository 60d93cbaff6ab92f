using System.Buffers.Binary;
using System.Security.Cryptography;
using Ipcs.Libp2p.Transport;
using Ipcs.Multiformats;

namespace Ipcs.Libp2p.Security.Noise;

/// <summary>
/// A connection under Noise. Spec: https://github.com/libp2p/specs/blob/master/noise/README.md, section Wire Format.
/// <code>frame = uint16 length (big endian, unsigned) | ciphertext | 16-byte tag       length at most 65535</code>
/// Bytes are sealed and opened where they lie. The receive buffer is rented when something arrives and given back when all of it has been
/// read, so an idle connection holds none; a peer that stops inside a frame holds one. One reader and one writer at a time. Owns the transport.
/// </summary>
internal sealed class NoiseChannel : IByteChannel, IDisposable
{
    /// <summary>The tag behind every ciphertext, in bytes.</summary>
    public const int TagLength = 16;

    /// <summary>The length before every ciphertext, in bytes.</summary>
    public const int HeadLength = 2;

    /// <summary>The most plain bytes of one frame.</summary>
    public const int MaxPlain = MaxFrame - TagLength;

    private const int MaxFrame = 65_535;

    /// <summary>Bytes of a buffer. It holds a frame of any length and the beginning of the next; larger buffers were no faster and fall out of the cache.</summary>
    internal const int BufferLength = 128 * 1024;

    /// <summary>Buffers for what is received and sent, of all connections: 8 MiB.</summary>
    internal static readonly BufferSlab Buffers = new(BufferLength, 64);

    private readonly ITransportChannel _transport;
    private readonly ChaCha20Poly1305 _sender;
    private readonly ChaCha20Poly1305 _receiver;
    private readonly byte[] _sendNonce = new byte[12];
    private readonly byte[] _receiveNonce = new byte[12];
    private PooledBuffer? _rented;
    private Memory<byte> _receive;
    private ulong _sendCounter;
    private ulong _receiveCounter;
    private int _start;
    private int _end;
    private ReadOnlyMemory<byte> _left;

    private NoiseChannel(ITransportChannel transport, PeerId remotePeer, byte[] sendKey, byte[] receiveKey)
    {
        _transport = transport;
        RemotePeer = remotePeer;
        _sender = new ChaCha20Poly1305(sendKey);
        _receiver = new ChaCha20Poly1305(receiveKey);
    }

    /// <summary>Who is at the other end.</summary>
    public PeerId RemotePeer { get; }

    /// <inheritdoc/>
    public bool HasBuffered => _left.Length > 0 || _end > _start;

    /// <summary>Runs the handshake over a transport.</summary>
    public static async Task<NoiseChannel> HandshakeAsync(ITransportChannel transport, NoiseIdentity identity, bool initiator, CancellationToken cancellationToken)
    {
        using var noise = new NoiseHandshake(identity);
        if (initiator)
        {
            await SendAsync(transport, noise.WriteA(), cancellationToken);
            noise.ReadB(await ReceiveAsync(transport, cancellationToken));
            await SendAsync(transport, noise.WriteC(), cancellationToken);
        }
        else
        {
            noise.ReadA(await ReceiveAsync(transport, cancellationToken));
            await SendAsync(transport, noise.WriteB(), cancellationToken);
            noise.ReadC(await ReceiveAsync(transport, cancellationToken));
        }

        (byte[] toResponder, byte[] toInitiator) = noise.Split();
        return initiator
            ? new NoiseChannel(transport, noise.RemotePeer, toResponder, toInitiator)
            : new NoiseChannel(transport, noise.RemotePeer, toInitiator, toResponder);
    }

    /// <summary>A channel with given keys, as golden vectors need.</summary>
    public static NoiseChannel FromKeys(ITransportChannel transport, PeerId remotePeer, byte[] sendKey, byte[] receiveKey) =>
        new(transport, remotePeer, sendKey, receiveKey);

    /// <summary>The next opened bytes, where they lie: good until the next call. Empty at the end.</summary>
    public async ValueTask<ReadOnlyMemory<byte>> ReadChunkAsync(CancellationToken cancellationToken)
    {
        if (_left.Length > 0)
        {
            ReadOnlyMemory<byte> left = _left;
            _left = default;
            return left;
        }

        while (true)
        {
            if (TryOpenFrame(out ReadOnlyMemory<byte> plain))
            {
                return plain;
            }

            if (_start == _end && !_transport.HasBuffered)
            {
                GiveBack();
                await _transport.WaitForDataAsync(cancellationToken);
            }

            int n = await _transport.ReadAsync(Room()[_end..], cancellationToken);
            if (n == 0)
            {
                bool whole = _end == _start;
                GiveBack();
                return whole ? default : throw new EndOfStreamException("the connection ended inside a frame");
            }

            _end += n;
        }
    }

    /// <inheritdoc/>
    public async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken)
    {
        ReadOnlyMemory<byte> chunk = await ReadChunkAsync(cancellationToken);
        int n = Math.Min(chunk.Length, buffer.Length);
        chunk[..n].CopyTo(buffer);
        _left = chunk[n..];
        return n;
    }

    /// <summary>Writes bytes of a negotiation; a muxer seals its own frames (<see cref="Seal"/>).</summary>
    public async ValueTask WriteAsync(ReadOnlyMemory<byte> data, CancellationToken cancellationToken)
    {
        while (data.Length > 0)
        {
            int n = Math.Min(data.Length, MaxPlain);
            byte[] frame = new byte[HeadLength + n + TagLength];
            data[..n].CopyTo(frame.AsMemory(HeadLength));
            Seal(frame, n);
            await _transport.WriteAsync(frame, cancellationToken);
            data = data[n..];
        }
    }

    /// <summary>Seals a frame in place: <paramref name="plainLength"/> bytes lie behind the head, the tag comes behind them. In the order of sending.</summary>
    public void Seal(Span<byte> frame, int plainLength)
    {
        NoiseHandshake.WriteNonce(_sendNonce, Next(ref _sendCounter));
        BinaryPrimitives.WriteUInt16BigEndian(frame, (ushort)(plainLength + TagLength));
        Span<byte> bytes = frame.Slice(HeadLength, plainLength);
        _sender.Encrypt(_sendNonce, bytes, bytes, frame.Slice(HeadLength + plainLength, TagLength));
    }

    /// <summary>Sends sealed frames.</summary>
    public ValueTask SendSealedAsync(ReadOnlyMemory<byte> frames, CancellationToken cancellationToken) => _transport.WriteAsync(frames, cancellationToken);

    /// <summary>Sends no more, in order.</summary>
    public void CloseWrite() => _transport.CloseWrite();

    /// <summary>Gives the receive buffer back. Only the reader may call it, when it reads no more.</summary>
    public void EndReading()
    {
        GiveBack();
        _start = _end = 0;
        _left = default;
    }

    /// <summary>Ends both directions: whoever reads or writes gets an error.</summary>
    public void Dispose() => _transport.Dispose();

    private static async ValueTask SendAsync(ITransportChannel transport, byte[] message, CancellationToken cancellationToken)
    {
        byte[] frame = new byte[HeadLength + message.Length];
        BinaryPrimitives.WriteUInt16BigEndian(frame, (ushort)message.Length);
        message.CopyTo(frame, HeadLength);
        await transport.WriteAsync(frame, cancellationToken);
    }

    private static async ValueTask<byte[]> ReceiveAsync(ITransportChannel transport, CancellationToken cancellationToken)
    {
        byte[] head = new byte[HeadLength];
        await transport.ReadExactlyAsync(head, cancellationToken);
        int length = BinaryPrimitives.ReadUInt16BigEndian(head);
        if (length > NoiseHandshake.MaxMessage)
        {
            throw new NoiseException($"a handshake message of {length} bytes is longer than {NoiseHandshake.MaxMessage}");
        }

        byte[] message = new byte[length];
        await transport.ReadExactlyAsync(message, cancellationToken);
        return message;
    }

    private static ulong Next(ref ulong counter) =>
        counter < ulong.MaxValue ? counter++ : throw new NoiseException("all nonces of the connection are used up");

    private bool TryOpenFrame(out ReadOnlyMemory<byte> plain)
    {
        plain = default;
        while (_end - _start >= HeadLength)
        {
            int length = BinaryPrimitives.ReadUInt16BigEndian(_receive.Span[_start..]);
            if (length < TagLength)
            {
                throw new NoiseException($"a frame of {length} bytes has no room for its tag");
            }

            if (_end - _start < HeadLength + length)
            {
                return false;
            }

            plain = Open(_start + HeadLength, length - TagLength);
            _start += HeadLength + length;
            if (plain.Length > 0)
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>The buffer, with room for the frame begun.</summary>
    private Memory<byte> Room()
    {
        if (_rented is null)
        {
            _rented = Buffers.Rent(BufferLength);
            _receive = _rented.Value.Memory;
        }

        if (_start == _end)
        {
            _start = _end = 0;
        }
        else if (_receive.Length - _start < HeadLength + MaxFrame)
        {
            _receive[_start.._end].CopyTo(_receive);
            _end -= _start;
            _start = 0;
        }

        return _receive;
    }

    private void GiveBack()
    {
        if (_rented is { } buffer)
        {
            _rented = null;
            _receive = default;
            _start = _end = 0;
            Buffers.Return(buffer);
        }
    }

    private ReadOnlyMemory<byte> Open(int offset, int length)
    {
        NoiseHandshake.WriteNonce(_receiveNonce, Next(ref _receiveCounter));
        Span<byte> frame = _receive.Span.Slice(offset, length + TagLength), bytes = frame[..length];
        try
        {
            _receiver.Decrypt(_receiveNonce, bytes, frame[length..], bytes);
        }
        catch (AuthenticationTagMismatchException)
        {
            throw new NoiseException("a frame does not authenticate");
        }

        return _receive.Slice(offset, length);
    }
}
