using System.Text;

namespace Ipcs.Libp2p.Dns;

/// <summary>One record of a DNS message.</summary>
/// <param name="Name">The name that the record belongs to: labels separated by dots, in lower case, without a dot at the end.</param>
/// <param name="Type">The type of the record.</param>
/// <param name="Ttl">How long the record may be cached, in seconds.</param>
/// <param name="Data">The data as on the wire; for a PTR record the uncompressed name.</param>
public sealed record DnsRecord(string Name, ushort Type, uint Ttl, ReadOnlyMemory<byte> Data)
{
    /// <summary>The longest string of a TXT record in bytes.</summary>
    public const int MaxStringLength = 255;

    /// <summary>
    /// Creates a PTR record; its target is the root when <paramref name="target"/> can't be written, because it is the root or has an
    /// escaped dot.
    /// </summary>
    public static DnsRecord Pointer(string name, uint ttl, string target)
    {
        byte[] data = new byte[DnsName.MaxLength + 1];
        bool written = DnsName.TryWrite(data, target, out int length);
        return new DnsRecord(name, DnsType.Ptr, ttl, written ? data.AsMemory(0, length) : new byte[] { 0 });
    }

    /// <summary>Creates a TXT record of strings; strings that are too long are left out.</summary>
    public static DnsRecord Text(string name, uint ttl, IEnumerable<string> strings)
    {
        var data = new List<byte>();
        foreach (string text in strings)
        {
            byte[] bytes = Encoding.UTF8.GetBytes(text);
            if (bytes.Length <= MaxStringLength)
            {
                data.Add((byte)bytes.Length);
                data.AddRange(bytes);
            }
        }

        return new DnsRecord(name, DnsType.Txt, ttl, data.ToArray());
    }

    /// <summary>The strings of a TXT record; a truncated string at the end is left out.</summary>
    public IReadOnlyList<string> Strings()
    {
        var strings = new List<string>();
        ReadOnlySpan<byte> rest = Data.Span;
        while (rest.Length > 0 && rest[0] < rest.Length)
        {
            strings.Add(Encoding.UTF8.GetString(rest.Slice(1, rest[0])));
            rest = rest[(1 + rest[0])..];
        }

        return strings;
    }

    /// <summary>The name that a PTR record points to; null when the data is not a name.</summary>
    public string? Target() => DnsName.TryRead(Data.Span, 0, out string name, out _) ? name : null;
}
