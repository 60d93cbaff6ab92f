using Ipcs.Multiformats;

namespace Ipcs.Kademlia;

/// <summary>Answers who has a content, beyond the peers that are connected.</summary>
public interface IContentRouting
{
    /// <summary>
    /// The peers that have announced <paramref name="content"/> (for a digest D: the multihash of D itself, since a key in the DHT is the multihash
    /// of CIDv1(raw, D)). They come as they are found, each once; the sequence ends when the closest peers have all been asked or after
    /// the query's time. An empty sequence, no exception, when nobody answers. This node itself is never among them.
    /// </summary>
    IAsyncEnumerable<ProviderRecord> FindProvidersAsync(Multihash content, CancellationToken cancellationToken);
}

/// <summary>A peer that says it has a content.</summary>
/// <param name="Peer">Who it is.</param>
/// <param name="Addresses">Where it may be dialled, without <c>/p2p</c>; may be empty when it is connected already.</param>
public sealed record ProviderRecord(PeerId Peer, IReadOnlyList<Multiaddr> Addresses);
