using System.Buffers;
using Ipcs.Blockstore;
using Ipcs.Multiformats;

namespace Ipcs.Microbenchmarks;

/// <summary>A store that discards everything, to measure the importer alone.</summary>
internal sealed class ForgetfulStore : IBlockstore, IDisposable
{
    public void Put(in Multihash hash, ReadOnlySpan<byte> data, bool bulk = false)
    {
    }

    public bool Has(in Multihash hash) => false;

    public bool TryGetLength(in Multihash hash, out int length)
    {
        length = 0;
        return false;
    }

    public IMemoryOwner<byte>? Get(in Multihash hash) => null;

    public void Delete(in Multihash hash)
    {
    }

    public IEnumerable<(Multihash Hash, int Length)> Enumerate() => [];

    public void Dispose()
    {
    }
}
