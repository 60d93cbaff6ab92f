using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using System.Text;
using Ipcs.Libp2p.Identity;

namespace Ipcs.Libp2p.Security.Pnet;

/// <summary>
/// The secret key shared by the hosts of a private network. Spec:
/// https://github.com/libp2p/specs/blob/master/pnet/Private-Networks-PSK-V1.md.
/// <code>
/// /key/swarm/psk/1.0.0/
/// /base16/                 or /base64/ or /bin/
/// 64 hexadecimal digits    the 32 bytes in that encoding
/// </code>
/// </summary>
public sealed class SwarmKey
{
    /// <summary>The length of a key in bytes.</summary>
    public const int Length = 32;

    /// <summary>The maximum length of a key file in bytes.</summary>
    private const int MaxFileLength = 1024;

    private const string Codec = "/key/swarm/psk/1.0.0/";
    private readonly byte[] _bytes;

    private SwarmKey(byte[] bytes) => _bytes = bytes;

    internal ReadOnlySpan<byte> Bytes => _bytes;

    /// <summary>Parses the contents of a key file.</summary>
    public static bool TryParse(ReadOnlySpan<byte> file, [NotNullWhen(true)] out SwarmKey? key)
    {
        key = null;
        if (!TryReadLine(ref file, out string codec) || codec != Codec || !TryReadLine(ref file, out string encoding))
        {
            return false;
        }

        byte[]? bytes = encoding switch
        {
            "/base16/" => FromText(file, Convert.FromHexString),
            "/base64/" => FromText(file, Convert.FromBase64String),
            "/bin/" => file.ToArray(),
            _ => null,
        };
        key = bytes is { Length: Length } ? new SwarmKey(bytes) : null;
        return key is not null;
    }

    /// <summary>Loads a key file.</summary>
    /// <exception cref="IOException">The file can't be read or is not a key file.</exception>
    public static SwarmKey Load(string path)
    {
        using FileStream file = File.OpenRead(path);
        if (file.Length <= MaxFileLength)
        {
            byte[] bytes = new byte[file.Length];
            file.ReadExactly(bytes);
            if (TryParse(bytes, out SwarmKey? key))
            {
                return key;
            }
        }

        throw new IOException(
            $"{path} is not a swarm key: it must consist of the lines {Codec}, /base16/ and {2 * Length} hexadecimal digits");
    }

    /// <summary>Creates a file with a new key, which only its owner can read: mode 0600.</summary>
    /// <exception cref="IOException">The file exists already, which is left as it is, or can't be written.</exception>
    public static void Create(string path)
    {
        string key = Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(Length));
        SecretFile.Create(path, Encoding.ASCII.GetBytes($"{Codec}\n/base16/\n{key}\n"));
    }

    private static bool TryReadLine(ref ReadOnlySpan<byte> file, out string line)
    {
        int end = file.IndexOf((byte)'\n');
        line = end < 0 ? "" : Encoding.ASCII.GetString(file[..end]).TrimEnd('\r');
        file = file[(end + 1)..];
        return end >= 0;
    }

    private static byte[]? FromText(ReadOnlySpan<byte> text, Func<string, byte[]> decode)
    {
        try
        {
            return decode(Encoding.ASCII.GetString(text).Trim());
        }
        catch (FormatException)
        {
            return null;
        }
    }
}
