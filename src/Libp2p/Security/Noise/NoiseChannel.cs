using System.Buffers.Binary;
using System.Diagnostics;
using System.Security.Cryptography;
using Ipcs.Libp2p.Transport;
using Ipcs.Multiformats;

namespace Ipcs.Libp2p.Security.Noise;

/// <summary>
/// A connection encrypted by Noise. Spec: https://github.com/libp2p/specs/blob/master/noise/README.md, section Wire Format.
/// <code>frame = uint16 length (big endian, unsigned) | ciphertext | 16-byte tag       length at most 65535</code>
/// Frames are encrypted and decrypted in place. The receive buffer is rented when something arrives and returned when all of it was read,
/// so that an idle connection has none; a peer that stops inside a frame occupies one. One reader and one writer at a time. Owns the
/// transport.
/// </summary>
internal sealed class NoiseChannel : IByteChannel, IDisposable
{
    /// <summary>The length in bytes of the tag behind every ciphertext.</summary>
    public const int TagLength = 16;

    /// <summary>The length in bytes of the frame length before every ciphertext.</summary>
    public const int HeadLength = 2;

    /// <summary>The maximum number of plain bytes in a frame.</summary>
    public const int MaxPlain = MaxFrame - TagLength;

    private const int MaxFrame = 65_535;

    /// <summary>
    /// The length of a buffer in bytes. It holds the longest frame and the beginning of the next; larger buffers were not faster and don't
    /// fit the processor's cache.
    /// </summary>
    internal const int BufferLength = 128 * 1024;

    /// <summary>The receive and send buffers of all connections, 8 MiB.</summary>
    internal static readonly BufferSlab Buffers = new("noise", BufferLength, 64);

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

    /// <summary>The peer at the other end.</summary>
    public PeerId RemotePeer { get; }

    /// <inheritdoc/>
    public bool HasBuffered => _left.Length > 0 || _end > _start;

    /// <summary>Runs the handshake over a transport.</summary>
    public static async Task<NoiseChannel> HandshakeAsync(
        ITransportChannel transport, NoiseIdentity identity, bool initiator, CancellationToken cancellationToken)
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

    /// <summary>Creates a channel with given keys, for golden vectors.</summary>
    public static NoiseChannel FromKeys(ITransportChannel transport, PeerId remotePeer, byte[] sendKey, byte[] receiveKey) =>
        new(transport, remotePeer, sendKey, receiveKey);

    /// <summary>Reads the next decrypted bytes, in the receive buffer: valid until the next call. Empty at the end.</summary>
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
                ReturnBuffer();
                await _transport.WaitForDataAsync(cancellationToken);
            }

            int n = await _transport.ReadAsync(ReceiveBuffer()[_end..], cancellationToken);
            if (n == 0)
            {
                bool whole = _end == _start;
                ReturnBuffer();
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

    /// <summary>Writes bytes of a negotiation; a muxer encrypts its own frames by <see cref="Seal"/>.</summary>
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

    /// <summary>
    /// Encrypts a frame in place: head, <paramref name="plainLength"/> plain bytes, room for the tag. Frames must be sent in the order of
    /// these calls.
    /// </summary>
    public void Seal(Span<byte> frame, int plainLength)
    {
        Debug.Assert(plainLength <= MaxPlain && frame.Length == HeadLength + plainLength + TagLength, "a frame is within its limit");
        NoiseHandshake.WriteNonce(_sendNonce, Next(ref _sendCounter));
        BinaryPrimitives.WriteUInt16BigEndian(frame, (ushort)(plainLength + TagLength));
        Span<byte> bytes = frame.Slice(HeadLength, plainLength);
        _sender.Encrypt(_sendNonce, bytes, bytes, frame.Slice(HeadLength + plainLength, TagLength));
    }

    /// <summary>Sends encrypted frames.</summary>
    public ValueTask SendSealedAsync(ReadOnlyMemory<byte> frames, CancellationToken cancellationToken) =>
        _transport.WriteAsync(frames, cancellationToken);

    /// <summary>Closes the sending direction in order.</summary>
    public void CloseWrite() => _transport.CloseWrite();

    /// <summary>Returns the receive buffer. Called by the reader when it reads no more.</summary>
    public void EndReading()
    {
        ReturnBuffer();
        _start = _end = 0;
        _left = default;
    }

    /// <summary>Ends both directions: reads and writes fail.</summary>
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
        counter < ulong.MaxValue ? counter++ : throw new NoiseException("all nonces of the connection are used");

    private bool TryOpenFrame(out ReadOnlyMemory<byte> plain)
    {
        plain = default;
        while (_end - _start >= HeadLength)
        {
            int length = BinaryPrimitives.ReadUInt16BigEndian(_receive.Span[_start..]);
            if (length < TagLength)
            {
                throw new NoiseException($"a frame of {length} bytes is shorter than its tag");
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

    /// <summary>The receive buffer, with room for the rest of the current frame.</summary>
    private Memory<byte> ReceiveBuffer()
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

        Debug.Assert(_start >= 0 && _start <= _end && _end < _receive.Length, "there is room for more bytes");
        return _receive;
    }

    private void ReturnBuffer()
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
            throw new NoiseException("a frame fails authentication");
        }

        return _receive.Slice(offset, length);
    }
}
