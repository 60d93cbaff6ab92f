using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;

namespace Ipcs.Libp2p.Dns;

/// <summary>A query for TXT records. Spec: https://www.rfc-editor.org/rfc/rfc1035, section 4.</summary>
internal static class DnsTextQuery
{
    private const int HeadLength = 12;
    private const ushort RecursionDesired = 0x0100;
    private const int NoSuchName = 3;

    /// <summary>Queries a server over UDP, and over TCP when the answer is truncated.</summary>
    /// <exception cref="IOException">The name is not a DNS name, or the server refuses the query.</exception>
    public static async Task<IReadOnlyList<string>> AskAsync(IPEndPoint server, string name, CancellationToken cancellationToken)
    {
        byte[] question = Encode((ushort)RandomNumberGenerator.GetInt32(ushort.MaxValue + 1), name)
            ?? throw new IOException($"'{name}' is not a DNS name");
        byte[] answer = await AskDatagramAsync(server, question, cancellationToken);
        bool truncated = answer.Length >= HeadLength && (answer[2] & 2) != 0;
        if (truncated)
        {
            answer = await AskStreamAsync(server, question, cancellationToken);
        }

        return TryDecode(answer, question, out IReadOnlyList<string> texts)
            ? texts
            : throw new IOException($"{server} refuses the query for {name}");
    }

    /// <summary>Encodes the query; null when the name is not a DNS name.</summary>
    public static byte[]? Encode(ushort id, string name)
    {
        string plain = name.TrimEnd('.');
        return DnsName.TryWrite(stackalloc byte[DnsName.MaxLength + 1], plain, out _)
            ? new DnsMessage { Id = id, Flags = RecursionDesired, Questions = [new DnsQuestion(plain, DnsType.Txt)] }.Encode()
            : null;
    }

    /// <summary>
    /// Reads the texts from an answer; false when it does not answer the question, or is a refusal. A name that does not exist has no
    /// texts.
    /// </summary>
    public static bool TryDecode(ReadOnlySpan<byte> answer, ReadOnlySpan<byte> question, out IReadOnlyList<string> texts)
    {
        texts = [];
        if (!DnsMessage.TryDecode(question, out DnsMessage? asked) || !DnsMessage.TryDecode(answer, out DnsMessage? answered)
            || !answered!.IsResponse || answered.Id != asked!.Id || !answered.Questions.SequenceEqual(asked.Questions))
        {
            return false;
        }

        if (answered.ErrorCode != 0)
        {
            return answered.ErrorCode == NoSuchName;
        }

        // The records of an alias have the name of its target, so all TXT records are the answer.
        texts = [.. answered.Answers.Where(r => r.Type == DnsType.Txt).Select(r => string.Concat(r.Strings()))];
        return true;
    }

    private static async Task<byte[]> AskDatagramAsync(IPEndPoint server, byte[] question, CancellationToken cancellationToken)
    {
        // A connected socket receives datagrams of the server only.
        using var socket = new Socket(server.AddressFamily, SocketType.Dgram, ProtocolType.Udp);
        await socket.ConnectAsync(server, cancellationToken);
        await socket.SendAsync(question, SocketFlags.None, cancellationToken);
        byte[] buffer = new byte[DnsMessage.MaxLength];
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
        await using var stream = new NetworkStream(socket, ownsSocket: false);
        byte[] head = new byte[2];
        BinaryPrimitives.WriteUInt16BigEndian(head, (ushort)question.Length);
        await stream.WriteAsync(head, cancellationToken);
        await stream.WriteAsync(question, cancellationToken);
        await stream.ReadExactlyAsync(head, cancellationToken);
        byte[] answer = new byte[BinaryPrimitives.ReadUInt16BigEndian(head)];
        await stream.ReadExactlyAsync(answer, cancellationToken);
        return answer;
    }
}
