namespace Ipcs.Kademlia.Queries;

/// <summary>The bounds of one lookup.</summary>
/// <param name="Count">How many of the closest peers must have answered.</param>
/// <param name="Concurrency">Requests under way at once; those of slow peers come on top.</param>
/// <param name="SlowTime">After this time without an answer another peer is asked beside.</param>
/// <param name="RequestTime">After this time a peer has failed.</param>
/// <param name="QueryTime">After this time the lookup ends with what it has.</param>
/// <param name="MaxRequests">
/// Requests in all. A lookup among a million peers takes some fifty; without the bound, answers that invent ever closer peers would keep it going.
/// </param>
internal sealed record LookupOptions(int Count, int Concurrency, TimeSpan SlowTime, TimeSpan RequestTime, TimeSpan QueryTime, int MaxRequests = 256)
{
    /// <summary>Peers remembered in one lookup: who answers sends at most 40, and those far away are of no use.</summary>
    public const int MaxCandidates = 1024;
}
