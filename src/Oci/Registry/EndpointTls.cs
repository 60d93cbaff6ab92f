namespace Ipcs.Oci.Registry;

/// <summary>TLS settings of an endpoint.</summary>
/// <param name="SkipVerify">True to accept any server certificate.</param>
/// <param name="Authorities">PEM files of CA certificates that are trusted besides those of the system.</param>
/// <param name="Clients">Client certificates: pairs of PEM files.</param>
internal sealed record EndpointTls(
    bool SkipVerify, IReadOnlyList<string> Authorities, IReadOnlyList<(string Certificate, string Key)> Clients)
{
    /// <summary>The settings of the system.</summary>
    public static readonly EndpointTls Default = new(false, [], []);
}
