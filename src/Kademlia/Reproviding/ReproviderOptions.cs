namespace Ipcs.Kademlia.Reproviding;

/// <summary>Options of a <see cref="Reprovider"/>.</summary>
public sealed class ReproviderOptions
{
    /// <summary>
    /// How long after an announcement the next one is due. Servers store a record for 48 h, so one failed announcement loses none.
    /// </summary>
    public TimeSpan Interval { get; init; } = TimeSpan.FromHours(22);

    /// <summary>
    /// How much earlier than due a key is announced together with a due key of the same region, which saves a lookup of its own.
    /// </summary>
    public TimeSpan Early { get; init; } = TimeSpan.FromHours(2);
}
