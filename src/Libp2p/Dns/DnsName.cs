using System.Text;

namespace Ipcs.Libp2p.Dns;

/// <summary>
/// Names in DNS messages: labels, each preceded by its length, and pointers to labels earlier in the message.
/// Spec: https://www.rfc-editor.org/rfc/rfc1035, sections 3.1 and 4.1.4.
/// </summary>
internal static class DnsName
{
    /// <summary>The longest name in bytes on the wire.</summary>
    public const int MaxLength = 255;

    /// <summary>The longest label in bytes.</summary>
    public const int MaxLabelLength = 63;

    /// <summary>
    /// Reads a name at <paramref name="offset"/>. A pointer must point before everything read so far, so that pointers can't loop.
    /// A dot or backslash inside a label is escaped by a backslash.
    /// </summary>
    /// <param name="message">The whole message.</param>
    /// <param name="offset">The offset of the name.</param>
    /// <param name="name">The name in lower case, without a dot at its end.</param>
    /// <param name="next">The offset behind the name.</param>
    public static bool TryRead(ReadOnlySpan<byte> message, int offset, out string name, out int next)
    {
        name = "";
        next = -1;
        var text = new StringBuilder();
        int limit = message.Length, length = 0;
        while (offset < message.Length)
        {
            int head = message[offset];
            if (head == 0)
            {
                next = next < 0 ? offset + 1 : next;
                name = text.ToString();
                return true;
            }

            if ((head & 0xc0) == 0xc0)
            {
                if (offset + 1 >= message.Length)
                {
                    return false;
                }

                int target = ((head & 0x3f) << 8) | message[offset + 1];
                next = next < 0 ? offset + 2 : next;
                if (target >= Math.Min(limit, offset))
                {
                    return false;
                }

                limit = offset = target;
                continue;
            }

            length += head + 1;
            if (head > MaxLabelLength || length >= MaxLength || offset + 1 + head > message.Length)
            {
                return false;
            }

            AppendLabel(text, message.Slice(offset + 1, head));
            offset += 1 + head;
        }

        return false;
    }

    /// <summary>Writes a name without compression; false when it is not a DNS name.</summary>
    public static bool TryWrite(Span<byte> destination, string name, out int written)
    {
        written = 0;
        foreach (string label in name.Split('.'))
        {
            int length = Encoding.UTF8.GetByteCount(label);
            if (length is 0 or > MaxLabelLength || written + length + 2 > MaxLength)
            {
                return false;
            }

            destination[written] = (byte)length;
            Encoding.UTF8.GetBytes(label, destination[(written + 1)..]);
            written += 1 + length;
        }

        destination[written++] = 0;
        return true;
    }

    private static void AppendLabel(StringBuilder text, ReadOnlySpan<byte> label)
    {
        if (text.Length > 0)
        {
            text.Append('.');
        }

        foreach (byte b in label)
        {
            if (b is (byte)'.' or (byte)'\\')
            {
                text.Append('\\');
            }

            text.Append(char.ToLowerInvariant((char)b));
        }
    }
}
