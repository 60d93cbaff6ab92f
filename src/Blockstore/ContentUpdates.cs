using Ipcs.Multiformats;

namespace Ipcs.Blockstore;

/// <summary>
/// Changes of a content's record, one at a time per digest: whoever reads a record, changes it and puts it back does so here, or loses
/// what another has changed meanwhile. One instance per store.
/// </summary>
public sealed class ContentUpdates(IStore store)
{
    // Striped: a lock is held while a record is synced, and contents must not wait for one another.
    private readonly Lock[] _stripes = [.. Enumerable.Range(0, 64).Select(_ => new Lock())];

    /// <summary>
    /// Gives the record (null when there is none) to <paramref name="change"/> and puts what it returns, durably. Returned as it came, it is
    /// not written; null for a record removes it.
    /// </summary>
    /// <returns>What <paramref name="change"/> returned.</returns>
    public ContentRecord? Change(Digest digest, Func<ContentRecord?, ContentRecord?> change)
    {
        lock (StripeOf(digest))
        {
            ContentRecord? before = store.Contents.Get(digest);
            ContentRecord? after = change(before);
            if (after is not null && !ReferenceEquals(before, after))
            {
                store.Contents.Put(after, sync: true);
            }
            else if (after is null && before is not null)
            {
                store.Contents.Delete(digest);
            }

            return after;
        }
    }

    /// <summary>The same, but what <paramref name="change"/> returns is committed, and the ingest of the reference ended with it.</summary>
    public ContentRecord Commit(Digest digest, string reference, Func<ContentRecord?, ContentRecord> change)
    {
        lock (StripeOf(digest))
        {
            ContentRecord after = change(store.Contents.Get(digest));
            store.Commit(after, reference);
            return after;
        }
    }

    private Lock StripeOf(Digest digest) => _stripes[(uint)digest.GetHashCode() % (uint)_stripes.Length];
}
