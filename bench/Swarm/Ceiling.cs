using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;

namespace Ipcs.Bench.Swarm;

/// <summary>The minimal work of any muxed stream over Noise: frame, encrypt, send, receive and decrypt, with .NET's own cipher.</summary>
internal static class Ceiling
{
    private const int Plain = 65_519;
    private const int Tag = 16;
    private const int Frame = 2 + Plain + Tag;
    private const int FramesPerCall = 2;

    /// <summary>Transfers that many bytes, rounded up to whole frames, over one loopback connection.</summary>
    public static void Run(long bytes)
    {
        using var listener = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        listener.Listen(1);
        using var sender = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        sender.Connect(listener.LocalEndPoint!);
        using Socket receiver = listener.Accept();
        long frames = (bytes + Plain - 1) / Plain;
        var sending = new Thread(() => Send(sender, frames));
        sending.Start();
        Receive(receiver, frames);
        sending.Join();
    }

    private static void Send(Socket socket, long frames)
    {
        using var cipher = new ChaCha20Poly1305(new byte[32]);
        byte[] buffer = new byte[Frame * FramesPerCall];
        byte[] nonce = new byte[12];
        for (long done = 0; done < frames;)
        {
            int length = 0;
            for (; length < buffer.Length && done < frames; length += Frame, done++)
            {
                Span<byte> frame = buffer.AsSpan(length, Frame);
                BinaryPrimitives.WriteUInt16BigEndian(frame, Plain + Tag);
                BinaryPrimitives.WriteInt64LittleEndian(nonce.AsSpan(4), done);
                cipher.Encrypt(nonce, frame.Slice(2, Plain), frame.Slice(2, Plain), frame[(2 + Plain)..]);
            }

            for (int sent = 0; sent < length;)
            {
                sent += socket.Send(buffer.AsSpan(sent, length - sent));
            }
        }
    }

    private static void Receive(Socket socket, long frames)
    {
        using var cipher = new ChaCha20Poly1305(new byte[32]);
        byte[] buffer = new byte[Frame * FramesPerCall];
        byte[] nonce = new byte[12];
        int start = 0, end = 0;
        for (long done = 0; done < frames;)
        {
            int n = socket.Receive(buffer.AsSpan(end));
            end += n > 0 ? n : throw new EndOfStreamException();
            for (; end - start >= Frame; start += Frame, done++)
            {
                Span<byte> frame = buffer.AsSpan(start, Frame);
                BinaryPrimitives.WriteInt64LittleEndian(nonce.AsSpan(4), done);
                cipher.Decrypt(nonce, frame.Slice(2, Plain), frame[(2 + Plain)..], frame.Slice(2, Plain));
            }

            buffer.AsSpan(start, end - start).CopyTo(buffer);
            (start, end) = (0, end - start);
        }
    }
}
