using Ipcs.Oci.Credentials;

namespace Ipcs.Oci.Registry;

/// <summary>How registries are spoken to.</summary>
public sealed class RegistryOptions
{
    /// <summary>True to speak HTTP; a registry on this machine is spoken to so in any case.</summary>
    public bool PlainHttp { get; init; }

    /// <summary>Who we are there.</summary>
    public ICredentials Credentials { get; init; } = NoCredentials.Instance;

    /// <summary>Where containerd's <c>hosts.toml</c> files lie; null for no mirrors.</summary>
    public string? HostsFolder { get; init; } = "/etc/containerd/certs.d";

    /// <summary>How long a registry may take until the first byte of its answer.</summary>
    public TimeSpan AnswerTime { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>How long nothing may come in the middle of an answer.</summary>
    public TimeSpan StallTime { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>The first pause before another try; each further one is twice as long.</summary>
    public TimeSpan FirstPause { get; init; } = TimeSpan.FromMilliseconds(250);

    /// <summary>The longest pause, also when the registry asks for a longer one: a user waits.</summary>
    public TimeSpan LongestPause { get; init; } = TimeSpan.FromSeconds(20);

    /// <summary>How often a request is made, and how often a blob that stops is resumed with no progress.</summary>
    public int Tries { get; init; } = 5;
}
