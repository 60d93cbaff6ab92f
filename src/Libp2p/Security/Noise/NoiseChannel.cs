using System.Buffers.Binary;
using System.Security.Cryptography;
using Ipcs.Libp2p.Identity;
using Ipcs.Libp2p.Transport;
using Ipcs.Multiformats;

namespace Ipcs.Libp2p.Security.Noise;

/// <summary>
/// A connection under Noise. Spec: https://github.com/libp2p/specs/blob/master/noise/README.md, section Wire Format.
/// <code>frame = uint16 length (big endian, unsigned) | ciphertext | 16-byte tag       length at most 65535</code>
/// Bytes are sealed and opened where they lie: written bytes are copied once into the send buffer, received ones not at all.
/// One reader and one writer at a time. Owns the socket and both buffers.
/// </summary>
internal sealed class NoiseChannel : IByteChannel, IDisposable
{
    private const int TagLength = 16;
    private const int HeadLength = 2;
    private const int MaxFrame = 65_535;
    private const int MaxPlain = MaxFrame - TagLength;

    /// <summary>Frames sealed before they are sent together, and room for as many received ones.</summary>
    private const int FramesPerSend = 4;

    private readonly SocketChannel _socket;
    private readonly ChaCha20Poly1305 _sender;
    private readonly ChaCha20Poly1305 _receiver;
    private readonly byte[] _nonce = new byte[12];
    private readonly byte[] _receiveNonce = new byte[12];
    private readonly byte[] _send = GC.AllocateUninitializedArray<byte>(FramesPerSend * (HeadLength + MaxFrame));
    private readonly byte[] _receive = GC.AllocateUninitializedArray<byte>(FramesPerSend * (HeadLength + MaxFrame));
    private ulong _sendCounter;
    private ulong _receiveCounter;
    private int _frameStart;
    private int _framePlain;
    private bool _full;
    private int _start;
    private int _end;
    private ReadOnlyMemory<byte> _left;

    private NoiseChannel(SocketChannel socket, PeerId remotePeer, byte[] sendKey, byte[] receiveKey)
    {
        _socket = socket;
        RemotePeer = remotePeer;
        _sender = new ChaCha20Poly1305(sendKey);
        _receiver = new ChaCha20Poly1305(receiveKey);
    }

    /// <summary>Who is at the other end.</summary>
    public PeerId RemotePeer { get; }

    /// <summary>Runs the handshake over a socket.</summary>
    public static async Task<NoiseChannel> HandshakeAsync(SocketChannel socket, KeyPair identity, bool initiator, CancellationToken cancellationToken)
    {
        var noise = new NoiseHandshake(identity);
        if (initiator)
        {
            await SendAsync(socket, noise.WriteA(), cancellationToken);
            noise.ReadB(await ReceiveAsync(socket, cancellationToken));
            await SendAsync(socket, noise.WriteC(), cancellationToken);
        }
        else
        {
            noise.ReadA(await ReceiveAsync(socket, cancellationToken));
            await SendAsync(socket, noise.WriteB(), cancellationToken);
            noise.ReadC(await ReceiveAsync(socket, cancellationToken));
        }

        (byte[] toResponder, byte[] toInitiator) = noise.Split();
        return initiator
            ? new NoiseChannel(socket, noise.RemotePeer, toResponder, toInitiator)
            : new NoiseChannel(socket, noise.RemotePeer, toInitiator, toResponder);
    }

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
            if (_end - _start >= HeadLength)
            {
                int length = BinaryPrimitives.ReadUInt16BigEndian(_receive.AsSpan(_start));
                if (length < TagLength)
                {
                    throw new NoiseException($"a frame of {length} bytes has no room for its tag");
                }

                if (_end - _start >= HeadLength + length)
                {
                    ReadOnlyMemory<byte> plain = Open(_start + HeadLength, length - TagLength);
                    _start += HeadLength + length;
                    if (plain.Length > 0)
                    {
                        return plain;
                    }

                    continue;
                }
            }

            if (_start > 0 && _receive.Length - _start < HeadLength + MaxFrame)
            {
                _receive.AsSpan(_start, _end - _start).CopyTo(_receive);
                _end -= _start;
                _start = 0;
            }

            int n = await _socket.ReadAsync(_receive.AsMemory(_end), cancellationToken);
            if (n == 0)
            {
                return _end == _start ? default : throw new EndOfStreamException("the connection ended inside a frame");
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

    /// <summary>Takes bytes to be sent; sends when the buffer is full.</summary>
    public async ValueTask AppendAsync(ReadOnlyMemory<byte> data, CancellationToken cancellationToken)
    {
        while (data.Length > 0)
        {
            int n = Math.Min(data.Length, MaxPlain - _framePlain);
            data.Span[..n].CopyTo(_send.AsSpan(_frameStart + HeadLength + _framePlain));
            _framePlain += n;
            data = data[n..];
            if (_framePlain == MaxPlain)
            {
                Seal();
                if (_full)
                {
                    await SendSealedAsync(cancellationToken);
                }
            }
        }
    }

    /// <summary>Sends what has been taken.</summary>
    public ValueTask FlushAsync(CancellationToken cancellationToken)
    {
        if (_framePlain > 0)
        {
            Seal();
        }

        return _frameStart > 0 ? SendSealedAsync(cancellationToken) : default;
    }

    /// <inheritdoc/>
    public async ValueTask WriteAsync(ReadOnlyMemory<byte> data, CancellationToken cancellationToken)
    {
        await AppendAsync(data, cancellationToken);
        await FlushAsync(cancellationToken);
    }

    /// <summary>Ends both directions of the socket: whoever reads or writes gets an error.</summary>
    public void Dispose() => _socket.Dispose();

    private static async ValueTask SendAsync(SocketChannel socket, byte[] message, CancellationToken cancellationToken)
    {
        byte[] frame = new byte[HeadLength + message.Length];
        BinaryPrimitives.WriteUInt16BigEndian(frame, (ushort)message.Length);
        message.CopyTo(frame, HeadLength);
        await socket.WriteAsync(frame, cancellationToken);
    }

    private static async ValueTask<byte[]> ReceiveAsync(SocketChannel socket, CancellationToken cancellationToken)
    {
        byte[] head = new byte[HeadLength];
        await socket.ReadExactlyAsync(head, cancellationToken);
        byte[] message = new byte[BinaryPrimitives.ReadUInt16BigEndian(head)];
        await socket.ReadExactlyAsync(message, cancellationToken);
        return message;
    }

    private ReadOnlyMemory<byte> Open(int offset, int length)
    {
        NoiseHandshake.WriteNonce(_receiveNonce, Next(ref _receiveCounter));
        Span<byte> bytes = _receive.AsSpan(offset, length);
        try
        {
            _receiver.Decrypt(_receiveNonce, bytes, _receive.AsSpan(offset + length, TagLength), bytes);
        }
        catch (AuthenticationTagMismatchException)
        {
            throw new NoiseException("a frame does not authenticate");
        }

        return _receive.AsMemory(offset, length);
    }

    private void Seal()
    {
        NoiseHandshake.WriteNonce(_nonce, Next(ref _sendCounter));
        BinaryPrimitives.WriteUInt16BigEndian(_send.AsSpan(_frameStart), (ushort)(_framePlain + TagLength));
        Span<byte> bytes = _send.AsSpan(_frameStart + HeadLength, _framePlain);
        _sender.Encrypt(_nonce, bytes, bytes, _send.AsSpan(_frameStart + HeadLength + _framePlain, TagLength));
        _frameStart += HeadLength + _framePlain + TagLength;
        _framePlain = 0;

        // A frame begun must have room to become full.
        _full = _send.Length - _frameStart < HeadLength + MaxFrame;
    }

    private static ulong Next(ref ulong counter) =>
        counter < ulong.MaxValue ? counter++ : throw new NoiseException("all nonces of the connection are used up");

    private async ValueTask SendSealedAsync(CancellationToken cancellationToken)
    {
        int length = _frameStart;
        _frameStart = 0;
        _full = false;
        await _socket.WriteAsync(_send.AsMemory(0, length), cancellationToken);
    }

}
