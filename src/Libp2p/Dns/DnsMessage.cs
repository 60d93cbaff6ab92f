using System.Buffers.Binary;

namespace Ipcs.Libp2p.Dns;

/// <summary>
/// A DNS message. Spec: https://www.rfc-editor.org/rfc/rfc1035, section 4.1.
/// <code>
/// id 16 | flags 16 (the first bit: response; the last four: error) | four counts of 16 | questions | answers | authorities | additionals
/// question: name, type 16, class 16      record: name, type 16, class 16, ttl 32, length 16, data
/// </code>
/// </summary>
public sealed class DnsMessage
{
    /// <summary>The longest message in bytes: the most that a datagram and the length prefix on a stream allow.</summary>
    public const int MaxLength = 65_535;

    /// <summary>The maximum number of questions and records, so that a message can't claim more memory than it is worth.</summary>
    public const int MaxRecords = 256;

    private const int HeadLength = 12;
    private const ushort ResponseFlag = 0x8000;

    /// <summary>The id by which an answer matches its question; 0 in mDNS.</summary>
    public ushort Id { get; init; }

    /// <summary>The flags.</summary>
    public ushort Flags { get; init; }

    /// <summary>True for an answer, false for a question.</summary>
    public bool IsResponse => (Flags & ResponseFlag) != 0;

    /// <summary>The response code; 0 for success.</summary>
    public int ErrorCode => Flags & 0xf;

    /// <summary>The questions.</summary>
    public IReadOnlyList<DnsQuestion> Questions { get; init; } = [];

    /// <summary>The answers.</summary>
    public IReadOnlyList<DnsRecord> Answers { get; init; } = [];

    /// <summary>The additional records. Authority records are dropped.</summary>
    public IReadOnlyList<DnsRecord> Additionals { get; init; } = [];

    /// <summary>Decodes a message; false when it is malformed or over a limit. Never throws.</summary>
    public static bool TryDecode(ReadOnlySpan<byte> source, out DnsMessage? message)
    {
        message = null;
        if (source.Length is < HeadLength or > MaxLength)
        {
            return false;
        }

        int[] counts = new int[4];
        int all = 0;
        for (int i = 0; i < 4; i++)
        {
            all += counts[i] = BinaryPrimitives.ReadUInt16BigEndian(source[(4 + (2 * i))..]);
        }

        if (all > MaxRecords)
        {
            return false;
        }

        int offset = HeadLength;
        var questions = new List<DnsQuestion>(counts[0]);
        for (int i = 0; i < counts[0]; i++)
        {
            if (!DnsName.TryRead(source, offset, out string name, out offset) || source.Length < offset + 4)
            {
                return false;
            }

            questions.Add(new DnsQuestion(name, BinaryPrimitives.ReadUInt16BigEndian(source[offset..])));
            offset += 4;
        }

        var sections = new List<DnsRecord>[3];
        for (int s = 0; s < 3; s++)
        {
            if (!TryReadRecords(source, ref offset, counts[s + 1], sections[s] = []))
            {
                return false;
            }
        }

        message = new DnsMessage
        {
            Id = BinaryPrimitives.ReadUInt16BigEndian(source),
            Flags = BinaryPrimitives.ReadUInt16BigEndian(source[2..]),
            Questions = questions,
            Answers = sections[0],
            Additionals = sections[2],
        };
        return true;
    }

    /// <summary>Encodes the message without compression.</summary>
    /// <exception cref="FormatException">A name is not a DNS name.</exception>
    public byte[] Encode()
    {
        var output = new List<byte>(512);
        Span<byte> head = stackalloc byte[HeadLength];
        BinaryPrimitives.WriteUInt16BigEndian(head, Id);
        BinaryPrimitives.WriteUInt16BigEndian(head[2..], Flags);
        BinaryPrimitives.WriteUInt16BigEndian(head[4..], (ushort)Questions.Count);
        BinaryPrimitives.WriteUInt16BigEndian(head[6..], (ushort)Answers.Count);
        BinaryPrimitives.WriteUInt16BigEndian(head[8..], 0);
        BinaryPrimitives.WriteUInt16BigEndian(head[10..], (ushort)Additionals.Count);
        output.AddRange(head);
        foreach (DnsQuestion question in Questions)
        {
            WriteName(output, question.Name, question.Type);
        }

        Span<byte> tail = stackalloc byte[6];
        foreach (DnsRecord record in Answers.Concat(Additionals))
        {
            WriteName(output, record.Name, record.Type);
            BinaryPrimitives.WriteUInt32BigEndian(tail, record.Ttl);
            BinaryPrimitives.WriteUInt16BigEndian(tail[4..], (ushort)record.Data.Length);
            output.AddRange(tail);
            output.AddRange(record.Data.Span);
        }

        return [.. output];
    }

    private static bool TryReadRecords(ReadOnlySpan<byte> source, ref int offset, int count, List<DnsRecord> records)
    {
        for (int i = 0; i < count; i++)
        {
            if (!DnsName.TryRead(source, offset, out string name, out offset) || source.Length < offset + 10)
            {
                return false;
            }

            ushort type = BinaryPrimitives.ReadUInt16BigEndian(source[offset..]);
            uint ttl = BinaryPrimitives.ReadUInt32BigEndian(source[(offset + 4)..]);
            int length = BinaryPrimitives.ReadUInt16BigEndian(source[(offset + 8)..]);
            offset += 10;
            if (source.Length < offset + length)
            {
                return false;
            }

            if (type == DnsType.Ptr)
            {
                // The data is a name that may point into the message: it is stored uncompressed.
                if (!DnsName.TryRead(source, offset, out string target, out _))
                {
                    return false;
                }

                records.Add(DnsRecord.Pointer(name, ttl, target));
            }
            else
            {
                records.Add(new DnsRecord(name, type, ttl, source.Slice(offset, length).ToArray()));
            }

            offset += length;
        }

        return true;
    }

    private static void WriteName(List<byte> output, string name, ushort type)
    {
        Span<byte> bytes = stackalloc byte[DnsName.MaxLength + 5];
        if (!DnsName.TryWrite(bytes, name, out int n))
        {
            throw new FormatException($"'{name}' is not a DNS name");
        }

        BinaryPrimitives.WriteUInt16BigEndian(bytes[n..], type);
        BinaryPrimitives.WriteUInt16BigEndian(bytes[(n + 2)..], DnsType.Internet);
        output.AddRange(bytes[..(n + 4)]);
    }
}
