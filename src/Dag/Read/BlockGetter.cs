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

    private sealed class Owned(byte[] bytes) : IMemoryOwner<byte>
    {
        public Memory<byte> Memory => bytes;

        public void Dispose()
        {
        }
    }
}
