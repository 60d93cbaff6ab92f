namespace Ipcs.Fleet.Routing;

/// <summary>What is announced to the DHT.</summary>
public enum ProvideStrategy
{
    /// <summary>The digests and roots of what containerd owns, and what is pinned.</summary>
    Roots,

    /// <summary>What is pinned.</summary>
    Pinned,

    /// <summary>Every block.</summary>
    All,

    /// <summary>Nothing.</summary>
    None,
}
