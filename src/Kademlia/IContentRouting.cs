using Ipcs.Multiformats;

namespace Ipcs.Kademlia;

/// <summary>Finds the providers of a content, beyond the connected peers.</summary>
public interface IContentRouting
{
    /// <summary>
    /// The peers that have announced <paramref name="content"/> (for a digest D: the multihash of D itself, since a key in the DHT is the
    /// multihash of CIDv1(raw, D)). Each is returned once, as soon as it is found. The sequence ends when all of the closest peers have
    /// answered, or after the timeout of the lookup. It is empty, without an exception, when no peer answers. It never contains this
    /// node.
    /// </summary>
    IAsyncEnumerable<AddrInfo> FindProvidersAsync(Multihash content, CancellationToken cancellationToken);
}
