namespace Ipcs.Multiformats;

/// <summary>The bases that can be encoded. The values are the multibase prefixes.</summary>
public enum MultibaseEncoding
{
    /// <summary>Lower-case hexadecimal.</summary>
    Base16 = 'f',

    /// <summary>Lower-case RFC 4648 base32 without padding.</summary>
    Base32 = 'b',

    /// <summary>Upper-case RFC 4648 base32 without padding.</summary>
    Base32Upper = 'B',

    /// <summary>Lower-case base36.</summary>
    Base36 = 'k',

    /// <summary>Bitcoin's base58.</summary>
    Base58Btc = 'z',

    /// <summary>RFC 4648 base64 without padding.</summary>
    Base64 = 'm',

    /// <summary>RFC 4648 base64url without padding.</summary>
    Base64Url = 'u',
}
