using System.Net;
using System.Runtime.InteropServices;
using Ipcs.Libp2p.Muxing;
using Ipcs.Multiformats;

namespace Ipcs.Libp2p.Swarm;

/// <summary>
/// What is held in all, by each peer, by each network and by each protocol. A peer and a network are kept for as long as they have a connection: what is
/// left unread of one that is gone counts in all from then on. Thread-safe.
/// </summary>
internal sealed class Shares(HostLimits limits)
{
    private readonly Lock _lock = new();
    private readonly Dictionary<PeerId, Holder> _peers = [];
    private readonly Dictionary<IPAddress, Holder> _networks = [];
    private readonly Dictionary<string, Budget> _protocols = new(StringComparer.Ordinal);

    /// <summary>Bytes that wait to be read.</summary>
    public Budget Memory { get; } = new(limits.MaxBuffered);

    /// <summary>Streams that others have open to us.</summary>
    public Budget Streams { get; } = new(limits.MaxInboundStreams);

    /// <summary>The part of a new connection.</summary>
    public Share Take(PeerId peer, IPAddress address)
    {
        IPAddress network = RemoteNetwork.Of(address);
        lock (_lock)
        {
            Holder one = Hold(_peers, peer, limits.MaxBufferedPerPeer, limits.MaxInboundStreamsPerPeer);
            Holder all = Hold(_networks, network, limits.MaxBufferedPerAddress, limits.MaxInboundStreamsPerAddress);
            var streams = new Budget(limits.MaxInboundStreamsPerConnection, one.Streams, all.Streams, Streams);
            return new Share(this, peer, network, [one.Memory, all.Memory, Memory], streams);
        }
    }

    /// <summary>A connection is gone.</summary>
    public void Return(PeerId peer, IPAddress network)
    {
        lock (_lock)
        {
            LetGo(_peers, peer);
            LetGo(_networks, network);
        }
    }

    /// <summary>Bytes of a protocol's streams that wait to be read. Only our own code names protocols here, those that it answers and those that it asks for.</summary>
    public Budget MemoryOf(string protocol)
    {
        lock (_lock)
        {
            ref Budget? known = ref CollectionsMarshal.GetValueRefOrAddDefault(_protocols, protocol, out _);
            return known ??= new Budget(limits.MaxBufferedPerProtocol);
        }
    }

    private static Holder Hold<T>(Dictionary<T, Holder> holders, T key, long memory, long streams)
        where T : notnull
    {
        ref Holder? holder = ref CollectionsMarshal.GetValueRefOrAddDefault(holders, key, out _);
        holder ??= new Holder(new Budget(memory), new Budget(streams));
        holder.Connections++;
        return holder;
    }

    private static void LetGo<T>(Dictionary<T, Holder> holders, T key)
        where T : notnull
    {
        if (--holders[key].Connections == 0)
        {
            holders.Remove(key);
        }
    }

    private sealed class Holder(Budget memory, Budget streams)
    {
        public Budget Memory => memory;

        public Budget Streams => streams;

        public int Connections { get; set; }
    }
}
