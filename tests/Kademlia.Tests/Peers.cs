using System.Security.Cryptography;
using Ipcs.Kademlia.Wire;
using Ipcs.Multiformats;

namespace Ipcs.Kademlia.Tests;

/// <summary>Peers and keys made from numbers.</summary>
internal static class Peers
{
    public static readonly DateTimeOffset Start = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);

    public static PeerId Id(int n)
    {
        byte[] key = [8, 1, 18, 32, .. SHA256.HashData(BitConverter.GetBytes(n))];
        return PeerId.FromPublicKey(key);
    }

    public static Multiaddr Address(int n) => Multiaddr.Parse($"/ip4/10.{(n >> 16) & 255}.{(n >> 8) & 255}.{n & 255}/tcp/4001");

    public static DhtPeer Peer(int n) => new(Id(n), [Address(n)]);

    public static Multihash Key(int n) => Multihash.Sha256(BitConverter.GetBytes(n));
}
