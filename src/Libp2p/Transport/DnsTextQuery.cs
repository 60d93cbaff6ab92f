using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text;

namespace Ipcs.Libp2p.Transport;

/// <summary>
/// One TXT query. Spec: https://www.rfc-editor.org/rfc/rfc1035, section 4.
/// <code>
/// message  = id (2) flags (2) questions (2) answers (2) authorities (2) additionals (2), then questions and records
/// question = name type (2) class (2)        record = name type (2) class (2) ttl (4) length (2) data
/// name     = (length label)* 0, or a pointer (two high bits set) in place of the rest       TXT data = (length text)*
/// </code>
/// </summary>
internal static class DnsTextQuery
{
    /// <summary>The longest answer taken, in bytes: what a TCP message can hold.</summary>
    private const int MaxMessage = 65_535;

    /// <summary>The most records read of an answer.</summary>
    private const int MaxRecords = 256;

    private const int HeadLength = 12;
    private const int MaxName = 255;
    private const int MaxLabel = 63;
    private const ushort TextType = 16;
    private const ushort Internet = 1;
    private const int NoSuchName = 3;

    /// <summary>Asks a server, by UDP, and by TCP when the answer is too long for that.</summary>
    /// <exception cref="IOException">The name can't be asked for or the server refuses.</exception>
    public static async Task<IReadOnlyList<string>> AskAsync(IPEndPoint server, string name, CancellationToken cancellationToken)
    {
        byte[] question = Encode((ushort)RandomNumberGenerator.GetInt32(ushort.MaxValue + 1), name) ?? throw new IOException($"'{name}' is no DNS name");
        byte[] answer = await AskDatagramAsync(server, question, cancellationToken);
        bool truncated = answer.Length >= HeadLength && (answer[2] & 2) != 0;
        if (truncated)
        {
            answer = await AskStreamAsync(server, question, cancellationToken);
        }

        return TryDecode(answer, question, out List<string> texts) ? texts : throw new IOException($"{server} refuses to answer for {name}");
    }

    /// <summary>The query's bytes; null when the name is none.</summary>
    public static byte[]? Encode(ushort id, string name)
    {
        string[] labels = name.TrimEnd('.').Split('.');
        byte[] message = new byte[HeadLength + MaxName + 4];
        BinaryPrimitives.WriteUInt16BigEndian(message, id);
        message[2] = 1;
        message[5] = 1;
        int n = HeadLength;
        foreach (string label in labels)
        {
            if (label.Length is 0 or > MaxLabel || !Ascii.IsValid(label) || n - HeadLength + label.Length + 2 > MaxName)
            {
                return null;
            }

            message[n++] = (byte)label.Length;
            n += Encoding.ASCII.GetBytes(label, message.AsSpan(n));
        }

        n++;
        BinaryPrimitives.WriteUInt16BigEndian(message.AsSpan(n), TextType);
        BinaryPrimitives.WriteUInt16BigEndian(message.AsSpan(n + 2), Internet);
        return message[..(n + 4)];
    }

    /// <summary>Reads the texts out of an answer; false when it is not one to the question, or a refusal. A name that does not exist has none.</summary>
    public static bool TryDecode(ReadOnlySpan<byte> message, ReadOnlySpan<byte> question, out List<string> texts)
    {
        texts = [];
        bool matches = message.Length >= question.Length && message[..2].SequenceEqual(question[..2]) && (message[2] & 0x80) != 0
            && message[4..6].SequenceEqual(question[4..6]) && message[HeadLength..question.Length].SequenceEqual(question[HeadLength..]);
        if (!matches)
        {
            return false;
        }

        int code = message[3] & 15;
        if (code != 0)
        {
            return code == NoSuchName;
        }

        int answers = Math.Min((int)BinaryPrimitives.ReadUInt16BigEndian(message[6..]), MaxRecords);
        ReadOnlySpan<byte> rest = message[question.Length..];
        for (int i = 0; i < answers; i++)
        {
            if (!TrySkipName(ref rest) || rest.Length < 10)
            {
                return false;
            }

            ushort type = BinaryPrimitives.ReadUInt16BigEndian(rest);
            int length = BinaryPrimitives.ReadUInt16BigEndian(rest[8..]);
            rest = rest[10..];
            if (rest.Length < length || (type == TextType && !TryReadText(rest[..length], texts)))
            {
                return false;
            }

            rest = rest[length..];
        }

        return true;
    }

    private static bool TrySkipName(ref ReadOnlySpan<byte> rest)
    {
        while (rest.Length > 0)
        {
            int length = rest[0];
            int skip = length switch
            {
                0 => 1,
                >= 0xc0 => 2,
                > MaxLabel => int.MaxValue,
                _ => 1 + length,
            };
            if (skip > rest.Length)
            {
                return false;
            }

            rest = rest[skip..];
            if (length is 0 or >= 0xc0)
            {
                return true;
            }
        }

        return false;
    }

    private static bool TryReadText(ReadOnlySpan<byte> data, List<string> texts)
    {
        var text = new StringBuilder();
        while (data.Length > 0)
        {
            int length = data[0];
            if (length >= data.Length)
            {
                return false;
            }

            text.Append(Encoding.UTF8.GetString(data.Slice(1, length)));
            data = data[(1 + length)..];
        }

        texts.Add(text.ToString());
        return true;
    }

    private static async Task<byte[]> AskDatagramAsync(IPEndPoint server, byte[] question, CancellationToken cancellationToken)
    {
        // Connected: only the server's own datagrams are taken.
        using var socket = new Socket(server.AddressFamily, SocketType.Dgram, ProtocolType.Udp);
        await socket.ConnectAsync(server, cancellationToken);
        await socket.SendAsync(question, SocketFlags.None, cancellationToken);
        byte[] buffer = new byte[MaxMessage];
        while (true)
        {
            int n = await socket.ReceiveAsync(buffer, SocketFlags.None, cancellationToken);
            if (n >= HeadLength && buffer.AsSpan(0, 2).SequenceEqual(question.AsSpan(0, 2)))
            {
                return buffer[..n];
            }
        }
    }

    private static async Task<byte[]> AskStreamAsync(IPEndPoint server, byte[] question, CancellationToken cancellationToken)
    {
        using var socket = new Socket(server.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        await socket.ConnectAsync(server, cancellationToken);
        using var channel = new SocketChannel(socket);
        byte[] head = new byte[2];
        BinaryPrimitives.WriteUInt16BigEndian(head, (ushort)question.Length);
        await channel.WriteAsync(head, cancellationToken);
        await channel.WriteAsync(question, cancellationToken);
        await channel.ReadExactlyAsync(head, cancellationToken);
        byte[] answer = new byte[BinaryPrimitives.ReadUInt16BigEndian(head)];
        await channel.ReadExactlyAsync(answer, cancellationToken);
        return answer;
    }
}
