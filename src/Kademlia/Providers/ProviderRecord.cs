using Ipcs.Multiformats;

namespace Ipcs.Kademlia.Providers;

/// <summary>A peer that has announced a key, as the provider store holds it.</summary>
/// <param name="Peer">The provider.</param>
/// <param name="Addresses">The addresses at which it can be dialled; may be empty.</param>
/// <param name="ExpiresAt">When the record expires unless the peer announces the key again.</param>
internal sealed record ProviderRecord(PeerId Peer, IReadOnlyList<Multiaddr> Addresses, DateTimeOffset ExpiresAt);
