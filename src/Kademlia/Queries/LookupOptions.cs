namespace Ipcs.Kademlia.Queries;

/// <summary>The bounds of one lookup.</summary>
/// <param name="Count">The number of closest peers that must have answered.</param>
/// <param name="Concurrency">The most concurrent requests, without those to slow peers.</param>
/// <param name="SlowTime">After this time a peer counts as slow: another one is asked beside it.</param>
/// <param name="RequestTime">After this time without an answer a peer has failed.</param>
/// <param name="QueryTime">After this time the lookup ends with the peers that answered.</param>
/// <param name="MaxRequests">The most requests. A lookup among a million peers takes some fifty; without the bound, answers that invent
/// ever closer peers would keep it running. </param>
internal sealed record LookupOptions(
    int Count, int Concurrency, TimeSpan SlowTime, TimeSpan RequestTime, TimeSpan QueryTime, int MaxRequests = 256)
{
    /// <summary>The most peers that one lookup remembers: an answer has at most 40, and the farthest are of no use.</summary>
    public const int MaxCandidates = 1024;
}
