namespace Ipcs.Fleet.Routing;

/// <summary>Which keys are announced in the DHT.</summary>
public enum ProvideStrategy
{
    /// <summary>Pinned roots, and the digests and roots of contents that containerd owns.</summary>
    Roots,

    /// <summary>Pinned roots, and the digests of pinned contents.</summary>
    Pinned,

    /// <summary>The keys of <see cref="Roots"/> and every block.</summary>
    All,

    /// <summary>No keys.</summary>
    None,
}
