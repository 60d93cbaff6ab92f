using System.Diagnostics;
using Ipcs.Libp2p.Swarm;

namespace Ipcs.Node.Daemon;

/// <summary>
/// How a process's descriptors are shared out: first the store and a reserve, each at most a quarter, and the rest for connections with
/// peers, so that strangers can't use up what containerd and the store need.
/// </summary>
/// <param name="StoreFiles">How many files the store may keep open.</param>
/// <param name="Limits">The limits for peers, some lowered.</param>
internal readonly record struct DescriptorBudget(int StoreFiles, HostLimits Limits)
{
    /// <summary>
    /// The reserve: 256 commands at the control API, and 128 for containerd's connections, listeners, the runtime, and the store's logs.
    /// </summary>
    private const int Reserve = 384;

    /// <summary>Shares out descriptors.</summary>
    /// <param name="descriptors">How many the process may have open.</param>
    /// <param name="storeFiles">How many files the store would like to keep open.</param>
    /// <param name="limits">The configured limits for peers.</param>
    public static DescriptorBudget Of(ulong descriptors, int storeFiles, HostLimits limits)
    {
        int all = (int)Math.Min(descriptors, int.MaxValue);
        int store = Math.Clamp(all / 4, 1, storeFiles);
        int left = all - store - Math.Min(Reserve, all / 4);

        // A handshake and a dial have a socket before they are a connection.
        int inbound = Math.Clamp(left / 4, 1, limits.MaxPendingInbound);
        int outbound = Math.Clamp(left / 8, 1, limits.MaxPendingOutbound);
        int connections = Math.Min(limits.MaxConnections, Math.Max(left - inbound - outbound, 1));
        Debug.Assert(all < 16 || store + inbound + outbound + connections <= all, "no more is shared out than there is");
        return new DescriptorBudget(store, limits with
        {
            MaxConnections = connections,
            MaxPendingInbound = inbound,
            MaxPendingOutbound = outbound,
        });
    }
}
