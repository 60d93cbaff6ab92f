using System.Buffers;
using Ipcs.Multiformats;

namespace Ipcs.Dag.Read;

/// <summary>Gets blocks from a source, and identity blocks from their CIDs.</summary>
internal static class BlockGetter
{
    public static ValueTask<IMemoryOwner<byte>> GetAsync(IBlockSource source, Cid cid, CancellationToken cancellationToken)
    {
        Multihash hash = cid.Hash;
        return hash.Code == Multihash.Identity
            ? ValueTask.FromResult<IMemoryOwner<byte>>(new Owned(hash.Digest.ToArray()))
            : source.GetAsync(cid, cancellationToken);
    }

    /// <summary>Fetches the block into the source's store and returns its length.</summary>
    public static ValueTask<int> EnsureAsync(IBlockSource source, Cid cid, CancellationToken cancellationToken)
    {
        Multihash hash = cid.Hash;
        return hash.Code == Multihash.Identity ? ValueTask.FromResult(hash.Digest.Length) : source.EnsureAsync(cid, cancellationToken);
    }

    private sealed class Owned(byte[] bytes) : IMemoryOwner<byte>
    {
        public Memory<byte> Memory => bytes;

        public void Dispose()
        {
        }
    }
}
