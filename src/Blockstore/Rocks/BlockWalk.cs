using System.Collections;
using Ipcs.Multiformats;

namespace Ipcs.Blockstore.Rocks;

/// <summary>
/// All blocks as of its creation, read one at a time since there may be millions. A second enumeration gives the blocks as of its own
/// start.
/// </summary>
internal sealed class BlockWalk(Database database, Action<StoreException>? onDamage) : IEnumerable<(Multihash Hash, int Length)>
{
    private RocksIterator? _first = database.Iterate(ColumnFamily.Blocks, onDamage);

    public IEnumerator<(Multihash Hash, int Length)> GetEnumerator() =>
        Walk(Interlocked.Exchange(ref _first, null) ?? database.Iterate(ColumnFamily.Blocks, onDamage));

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    private IEnumerator<(Multihash Hash, int Length)> Walk(RocksIterator iterator)
    {
        using (iterator)
        {
            while (iterator.MoveNext([BlockKey.Length]) && iterator.Key[0] == BlockKey.Length)
            {
                if (Read(iterator) is { } block)
                {
                    yield return block;
                }
            }
        }
    }

    private (Multihash Hash, int Length)? Read(RocksIterator iterator)
    {
        try
        {
            return Multihash.TryParse(iterator.Key[1..], out Multihash hash)
                ? (hash, RocksBlocks.ReadLength(database, iterator.Key, iterator.Value))
                : throw database.Damaged(ColumnFamily.Blocks, iterator.Key);
        }
        catch (StoreException e) when (onDamage is not null && e.IsCorruption)
        {
            onDamage(e);
            return null;
        }
    }
}
