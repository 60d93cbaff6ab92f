using Ipcs.Multiformats;

namespace Ipcs.Bitswap;

/// <summary>No peer has sent a requested block.</summary>
public sealed class BlockUnavailableException(string message, params IReadOnlyList<PeerId> peers) : IOException(message)
{
    /// <summary>The peers that were asked for the block and refused it, or did not send it in time.</summary>
    public IReadOnlyList<PeerId> Peers { get; } = peers;
}
