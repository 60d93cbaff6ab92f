namespace Ipcs.Dag.Chunking;

/// <summary>
/// The fields of a tar header that the chunker needs: validity, type and length of the body. Layout (POSIX ustar, old and GNU alike):
/// <code>
/// name 0..100 | mode uid gid | size 124..136 octal | mtime | checksum 148..156 octal | type 156 | link name, magic, owners, prefix
/// </code>
/// Spec: https://pubs.opengroup.org/onlinepubs/9699919799/utilities/pax.html, section ustar Interchange Format.
/// </summary>
internal static class TarHeader
{
    /// <summary>The length of a header in bytes. Bodies are padded to a multiple of it.</summary>
    public const int Length = 512;

    /// <summary>The position of the checksum, which is computed as if it were spaces.</summary>
    private static readonly Range Checksum = 148..156;

    /// <summary>Decodes a header.</summary>
    /// <param name="header">The header's 512 bytes.</param>
    /// <param name="isEntry">
    /// True for files, links and directories; false for extensions of the next entry (long names, attributes).
    /// </param>
    /// <param name="body">The length in bytes of the body after the header, including padding.</param>
    /// <returns>False when it is not a header: the end of the archive, or not an archive.</returns>
    public static bool TryRead(ReadOnlySpan<byte> header, out bool isEntry, out long body)
    {
        byte type = header[156];
        isEntry = type is 0 or (>= (byte)'0' and <= (byte)'7');
        body = 0;
        if (!TryNumber(header[Checksum], out long checksum) || checksum != Sum(header) || !TryNumber(header[124..136], out long size))
        {
            return false;
        }

        // Links, devices and directories have no body, whatever the size field says.
        body = type is >= (byte)'1' and <= (byte)'6' ? 0 : (size + Length - 1) / Length * Length;
        return true;
    }

    private static long Sum(ReadOnlySpan<byte> header)
    {
        long sum = 0;
        foreach (byte b in header)
        {
            sum += b;
        }

        foreach (byte b in header[Checksum])
        {
            sum += ' ' - b;
        }

        return sum;
    }

    /// <summary>Decodes octal digits, surrounded by spaces and zeros, or GNU's binary form; at most 2^48.</summary>
    private static bool TryNumber(ReadOnlySpan<byte> field, out long value)
    {
        const long Max = 1L << 48;
        value = 0;
        if ((field[0] & 0x80) != 0)
        {
            value = field[0] & 0x7f;
            foreach (byte b in field[1..])
            {
                value = value > Max ? value : (value << 8) | b;
            }

            return value <= Max;
        }

        ReadOnlySpan<byte> digits = field.Trim([(byte)' ', (byte)0]);
        foreach (byte b in digits)
        {
            if (b is < (byte)'0' or > (byte)'7' || value > Max)
            {
                return false;
            }

            value = (value << 3) | (uint)(b - '0');
        }

        return !digits.IsEmpty;
    }
}
