namespace Ipcs.Libp2p.Dns;

/// <summary>One question of a DNS message.</summary>
/// <param name="Name">The name: labels separated by dots, in lower case, without a dot at the end.</param>
/// <param name="Type">The type of records asked for.</param>
public sealed record DnsQuestion(string Name, ushort Type);
