using System.Buffers;
using Ipcs.Multiformats;

namespace Ipcs.Dag.Car;

/// <summary>
/// The header of a CAR: <c>{"roots": [CID…], "version": 1}</c> in DAG-CBOR. Spec: https://ipld.io/specs/transport/car/carv1/, section
/// Header. A CID is tag 42 of a byte string that begins with a zero. Only the canonical encoding is accepted, which all writers produce.
/// </summary>
internal static class CarHeader
{
    /// <summary>The most roots: the whole header is read into memory before anything in it is verified.</summary>
    public const int MaxRoots = 1024;

    /// <summary>The longest header in bytes: that many roots and the keys.</summary>
    public const int MaxLength = (MaxRoots * (Cid.MaxLength + 8)) + 32;

    private const int ByteString = 2;
    private const int Array = 4;

    private static ReadOnlySpan<byte> RootsKey => [0xa2, 0x65, (byte)'r', (byte)'o', (byte)'o', (byte)'t', (byte)'s'];

    private static ReadOnlySpan<byte> VersionOne =>
        [0x67, (byte)'v', (byte)'e', (byte)'r', (byte)'s', (byte)'i', (byte)'o', (byte)'n', 0x01];

    /// <summary>The first bytes of every CAR of version 2, after its length.</summary>
    private static ReadOnlySpan<byte> VersionTwo =>
        [0xa1, 0x67, (byte)'v', (byte)'e', (byte)'r', (byte)'s', (byte)'i', (byte)'o', (byte)'n', 0x02];

    private static ReadOnlySpan<byte> Tag42 => [0xd8, 0x2a];

    public static byte[] Encode(IReadOnlyList<Cid> roots)
    {
        var writer = new ArrayBufferWriter<byte>(64 * (roots.Count + 1));
        writer.Write(RootsKey);
        WriteHead(writer, Array, roots.Count);
        foreach (Cid root in roots)
        {
            writer.Write(Tag42);
            WriteHead(writer, ByteString, root.Length + 1);
            writer.Write<byte>([0]);
            writer.Advance(root.Write(writer.GetSpan(Cid.MaxLength)));
        }

        writer.Write(VersionOne);
        return writer.WrittenSpan.ToArray();
    }

    /// <summary>Returns null, or the problem.</summary>
    public static string? TryDecode(ReadOnlySpan<byte> bytes, out Cid[] roots)
    {
        roots = [];
        if (bytes.SequenceEqual(VersionTwo))
        {
            return "is of version 2; only version 1 is read";
        }

        if (!TryTake(ref bytes, RootsKey) || !TryHead(ref bytes, Array, out int count) || count > MaxRoots)
        {
            return $"has a header without roots, or with more than {MaxRoots}";
        }

        var read = new Cid[count];
        for (int i = 0; i < count; i++)
        {
            if (!TryTake(ref bytes, Tag42) || !TryHead(ref bytes, ByteString, out int length) || length < 2 || length > bytes.Length
                || bytes[0] != 0 || !Cid.TryParse(bytes[1..length], out read[i]))
            {
                return $"has a header whose root {i} is no CID";
            }

            bytes = bytes[length..];
        }

        if (!bytes.SequenceEqual(VersionOne))
        {
            return "has a header that is not of version 1";
        }

        roots = read;
        return null;
    }

    private static bool TryTake(ref ReadOnlySpan<byte> bytes, ReadOnlySpan<byte> expected)
    {
        bool same = bytes.StartsWith(expected);
        bytes = same ? bytes[expected.Length..] : bytes;
        return same;
    }

    /// <summary>Writes a type and a length of up to 16 bits in their shortest form.</summary>
    private static void WriteHead(ArrayBufferWriter<byte> writer, int type, int length)
    {
        byte major = (byte)(type << 5);
        ReadOnlySpan<byte> head = length switch
        {
            < 24 => [(byte)(major | length)],
            < 256 => [(byte)(major | 24), (byte)length],
            _ => [(byte)(major | 25), (byte)(length >> 8), (byte)length],
        };
        writer.Write(head);
    }

    /// <summary>Reads a type and a length as <see cref="WriteHead"/> writes them.</summary>
    private static bool TryHead(ref ReadOnlySpan<byte> bytes, int type, out int length)
    {
        length = 0;
        if (bytes.IsEmpty || bytes[0] >> 5 != type)
        {
            return false;
        }

        int info = bytes[0] & 0x1f;
        int size = info switch { < 24 => 1, 24 => 2, 25 => 3, _ => 0 };
        if (size == 0 || bytes.Length < size)
        {
            return false;
        }

        length = size switch { 1 => info, 2 => bytes[1], _ => (bytes[1] << 8) | bytes[2] };
        bytes = bytes[size..];
        return size == 1 || length >= (size == 2 ? 24 : 256);
    }
}
