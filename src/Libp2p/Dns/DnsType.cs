namespace Ipcs.Libp2p.Dns;

/// <summary>Types of records and questions. Registry: https://www.iana.org/assignments/dns-parameters.</summary>
public static class DnsType
{
    /// <summary>An IPv4 address.</summary>
    public const ushort A = 1;

    /// <summary>Another name.</summary>
    public const ushort Ptr = 12;

    /// <summary>Strings.</summary>
    public const ushort Txt = 16;

    /// <summary>An IPv6 address.</summary>
    public const ushort Aaaa = 28;

    /// <summary>In a question: records of every type.</summary>
    public const ushort Any = 255;

    /// <summary>The class of the Internet, the only one in use.</summary>
    public const ushort Internet = 1;
}
