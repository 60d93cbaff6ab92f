using Ipcs.Oci.Credentials;

namespace Ipcs.Oci.Registry;

/// <summary>Options for registries.</summary>
public sealed class RegistryOptions
{
    /// <summary>The clock.</summary>
    public required TimeProvider Time { get; init; }

    /// <summary>True to use HTTP instead of HTTPS, as always with a registry on this machine.</summary>
    public bool PlainHttp { get; init; }

    /// <summary>The logins.</summary>
    public ICredentials Credentials { get; init; } = NoCredentials.Instance;

    /// <summary>The folder of containerd's <c>hosts.toml</c> files; null for no mirrors.</summary>
    public string? HostsFolder { get; init; } = "/etc/containerd/certs.d";

    /// <summary>The timeout for the headers of an answer.</summary>
    public TimeSpan AnswerTime { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>The longest time without data in the middle of an answer.</summary>
    public TimeSpan StallTime { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>The delay before the second attempt; each further delay is twice as long.</summary>
    public TimeSpan FirstPause { get; init; } = TimeSpan.FromMilliseconds(250);

    /// <summary>The longest delay, also when the registry asks for a longer one, since a user waits.</summary>
    public TimeSpan LongestPause { get; init; } = TimeSpan.FromSeconds(20);

    /// <summary>The most attempts of a request, and of resuming a blob without progress.</summary>
    public int Tries { get; init; } = 5;
}
