using System.Diagnostics;
using System.Net;
using System.Runtime.InteropServices;
using Ipcs.Libp2p.Muxing;
using Ipcs.Multiformats;

namespace Ipcs.Libp2p.Swarm;

/// <summary>
/// The receive memory and inbound streams in use: by the host, by each peer, by each network and by each protocol. The limits of a peer and
/// of a network exist while it has a connection; bytes left unread after its last connection count against the host only. Thread-safe.
/// </summary>
internal sealed class ResourceManager(HostLimits limits)
{
    private readonly Lock _lock = new();
    private readonly Dictionary<PeerId, RemoteLimits> _peers = [];
    private readonly Dictionary<IPAddress, RemoteLimits> _networks = [];
    private readonly Dictionary<string, ResourceLimit> _protocols = new(StringComparer.Ordinal);

    /// <summary>The host's limit on bytes in receive buffers.</summary>
    public ResourceLimit Memory { get; } = new(limits.MaxBuffered);

    /// <summary>The host's limit on inbound streams.</summary>
    public ResourceLimit Streams { get; } = new(limits.MaxInboundStreams);

    /// <summary>Opens the scope of a new connection.</summary>
    public ResourceScope Open(PeerId peer, IPAddress address)
    {
        IPAddress network = RemoteNetwork.Of(address);
        lock (_lock)
        {
            RemoteLimits ofPeer = AddConnection(_peers, peer, limits.MaxBufferedPerPeer, limits.MaxInboundStreamsPerPeer);
            RemoteLimits ofNetwork = AddConnection(_networks, network, limits.MaxBufferedPerAddress, limits.MaxInboundStreamsPerAddress);
            var streams = new ResourceLimit(limits.MaxInboundStreamsPerConnection, ofPeer.Streams, ofNetwork.Streams, Streams);
            return new ResourceScope(this, peer, network, [ofPeer.Memory, ofNetwork.Memory, Memory], streams);
        }
    }

    /// <summary>Closes the scope of a connection.</summary>
    public void Close(PeerId peer, IPAddress network)
    {
        lock (_lock)
        {
            RemoveConnection(_peers, peer);
            RemoveConnection(_networks, network);
        }
    }

    /// <summary>
    /// The limit on the bytes in receive buffers of one protocol's streams. One is kept for each protocol asked for: callers pass only
    /// protocols that this host answers or opens, never names that a peer made up.
    /// </summary>
    public ResourceLimit MemoryOf(string protocol)
    {
        lock (_lock)
        {
            ref ResourceLimit? known = ref CollectionsMarshal.GetValueRefOrAddDefault(_protocols, protocol, out _);
            return known ??= new ResourceLimit(limits.MaxBufferedPerProtocol);
        }
    }

    private static RemoteLimits AddConnection<T>(Dictionary<T, RemoteLimits> remotes, T key, long memory, long streams)
        where T : notnull
    {
        ref RemoteLimits? remote = ref CollectionsMarshal.GetValueRefOrAddDefault(remotes, key, out _);
        remote ??= new RemoteLimits(new ResourceLimit(memory), new ResourceLimit(streams));
        remote.Connections++;
        return remote;
    }

    private static void RemoveConnection<T>(Dictionary<T, RemoteLimits> remotes, T key)
        where T : notnull
    {
        int left = --remotes[key].Connections;
        Debug.Assert(left >= 0, "a scope is closed once");
        if (left == 0)
        {
            remotes.Remove(key);
        }
    }

    /// <summary>The limits of one peer or one network, and how many connections count against them.</summary>
    private sealed class RemoteLimits(ResourceLimit memory, ResourceLimit streams)
    {
        public ResourceLimit Memory => memory;

        public ResourceLimit Streams => streams;

        public int Connections { get; set; }
    }
}
