using System.Buffers;
using System.Buffers.Text;
using System.Diagnostics.CodeAnalysis;
using SimpleBase;

namespace Ipcs.Multiformats;

/// <summary>Self-describing base encodings. Spec: https://github.com/multiformats/multibase.</summary>
public static class Multibase
{
    /// <summary>
    /// The longest base58 and base36 texts decoded, in characters. Decoding takes quadratic time; the longest CID has fewer than 300
    /// characters.
    /// </summary>
    public const int MaxRadixLength = 1024;

    private const string Base64UrlDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

    private static readonly SearchValues<char> Base64UrlAlphabet = SearchValues.Create(Base64UrlDigits);
    private static readonly SearchValues<char> Base58Alphabet =
        SearchValues.Create("123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz");
    private static readonly SearchValues<char> Base36Alphabet = SearchValues.Create("0123456789abcdefghijklmnopqrstuvwxyz");
    private static readonly SearchValues<char> Base32Alphabet = SearchValues.Create("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567");
    private static readonly SearchValues<char> HexAlphabet = SearchValues.Create("0123456789abcdefABCDEF");

    /// <summary>Encodes bytes as text with the prefix of the base.</summary>
    public static string Encode(MultibaseEncoding encoding, ReadOnlySpan<byte> bytes) => encoding switch
    {
        MultibaseEncoding.Base16 => "f" + Convert.ToHexStringLower(bytes),
        MultibaseEncoding.Base32 => "b" + EncodeBase32(bytes),
        MultibaseEncoding.Base32Upper => "B" + EncodeBase32(bytes).ToUpperInvariant(),
        MultibaseEncoding.Base36 => "k" + Base36.LowerCase.Encode(bytes),
        MultibaseEncoding.Base58Btc => "z" + EncodeBase58(bytes),
        MultibaseEncoding.Base64 => "m" + Convert.ToBase64String(bytes).TrimEnd('='),
        MultibaseEncoding.Base64Url => "u" + Base64Url.EncodeToString(bytes),
        _ => throw new ArgumentOutOfRangeException(nameof(encoding), encoding, "unknown multibase encoding"),
    };

    /// <summary>Decodes text with a prefix. False for an unknown base, an invalid character, or trailing bits that are not zero.</summary>
    public static bool TryDecode([NotNullWhen(true)] string? text, [NotNullWhen(true)] out byte[]? bytes)
    {
        bytes = null;
        if (string.IsNullOrEmpty(text))
        {
            return false;
        }

        string body = text[1..];
        return text[0] switch
        {
            'f' => IsCase(body, upper: false) && TryHex(body, out bytes),
            'F' => IsCase(body, upper: true) && TryHex(body, out bytes),
            'b' => TryDecodeBase32(body, upper: false, out bytes),
            'B' => TryDecodeBase32(body, upper: true, out bytes),
            'k' => IsCase(body, upper: false) && TryBase36(body, out bytes),
            'K' => IsCase(body, upper: true) && TryBase36(body.ToLowerInvariant(), out bytes),
            'z' => TryDecodeBase58(body, out bytes),
            'm' => !body.AsSpan().ContainsAny('-', '_') && TryBase64(body.Replace('+', '-').Replace('/', '_'), out bytes),
            'u' => TryBase64(body, out bytes),
            _ => false,
        };
    }

    /// <summary>Encodes bytes as base58btc without a prefix, the text form of version 0 CIDs and peer ids.</summary>
    public static string EncodeBase58(ReadOnlySpan<byte> bytes) => Base58.Bitcoin.Encode(bytes);

    /// <summary>Decodes base58btc without a prefix.</summary>
    public static bool TryDecodeBase58([NotNullWhen(true)] string? text, [NotNullWhen(true)] out byte[]? bytes)
    {
        bytes = null;
        if (string.IsNullOrEmpty(text) || text.Length > MaxRadixLength || text.AsSpan().ContainsAnyExcept(Base58Alphabet))
        {
            return false;
        }

        bytes = Base58.Bitcoin.Decode(text);
        return true;
    }

    private static string EncodeBase32(ReadOnlySpan<byte> bytes) => Base32.Rfc4648.Encode(bytes, padding: false).ToLowerInvariant();

    private static bool TryDecodeBase32(string body, bool upper, [NotNullWhen(true)] out byte[]? bytes)
    {
        bytes = null;
        string canonical = upper ? body : body.ToUpperInvariant();
        if (!IsCase(body, upper) || canonical.AsSpan().ContainsAnyExcept(Base32Alphabet) || canonical.Length % 8 is 1 or 3 or 6)
        {
            return false;
        }

        byte[] decoded = Base32.Rfc4648.Decode(canonical);

        // Bits behind the last byte must be zero, so that a value has only one text.
        if (Base32.Rfc4648.Encode(decoded, padding: false) != canonical)
        {
            return false;
        }

        bytes = decoded;
        return true;
    }

    private static bool TryBase36(string body, [NotNullWhen(true)] out byte[]? bytes)
    {
        bytes = null;
        if (body.Length > MaxRadixLength || body.AsSpan().ContainsAnyExcept(Base36Alphabet))
        {
            return false;
        }

        bytes = Base36.LowerCase.Decode(body);
        return true;
    }

    private static bool TryBase64(string body, [NotNullWhen(true)] out byte[]? bytes)
    {
        bytes = null;
        if (body.AsSpan().ContainsAnyExcept(Base64UrlAlphabet) || body.Length % 4 == 1)
        {
            return false;
        }

        // Bits behind the last byte must be zero, as with base32.
        int tail = body.Length % 4;
        if (tail != 0 && (Base64UrlDigits.IndexOf(body[^1], StringComparison.Ordinal) & (tail == 2 ? 0xf : 0x3)) != 0)
        {
            return false;
        }

        bytes = Base64Url.DecodeFromChars(body);
        return true;
    }

    private static bool TryHex(string body, [NotNullWhen(true)] out byte[]? bytes)
    {
        bytes = null;
        if (body.Length % 2 != 0 || body.AsSpan().ContainsAnyExcept(HexAlphabet))
        {
            return false;
        }

        bytes = Convert.FromHexString(body);
        return true;
    }

    private static bool IsCase(string body, bool upper)
    {
        foreach (char c in body)
        {
            if (upper ? char.IsAsciiLetterLower(c) : char.IsAsciiLetterUpper(c))
            {
                return false;
            }
        }

        return true;
    }
}
