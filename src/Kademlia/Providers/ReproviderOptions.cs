namespace Ipcs.Kademlia.Providers;

/// <summary>What a reprovider runs with.</summary>
public sealed class ReproviderOptions
{
    /// <summary>How long after an announcement the next one is due; others keep a record for 48 h, so one that fails does no harm.</summary>
    public TimeSpan Interval { get; init; } = TimeSpan.FromHours(22);

    /// <summary>
    /// How much earlier than due a key is announced when one beside it is: a lookup for it alone is saved.
    /// </summary>
    public TimeSpan Early { get; init; } = TimeSpan.FromHours(2);
}
