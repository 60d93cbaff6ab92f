using System.Collections.Concurrent;
using Ipcs.Multiformats;

namespace Ipcs.Blockstore;

/// <summary>
/// Changes of a content's record, one at a time per digest: whoever reads a record, changes it and puts it back does so here, or loses
/// what another has changed meanwhile. One instance per store.
/// </summary>
public sealed class ContentCatalog(IStore store)
{
    /// <summary>How many records are remembered: those of the image that is being unpacked, each of some hundred bytes.</summary>
    private const int MaxRemembered = 256;

    /// <summary>And no record with more labels, which may be of 4 KiB each: layers have a few, indexes many.</summary>
    private const int MaxLabels = 16;

    private readonly ConcurrentDictionary<Digest, ContentRecord> _remembered = new();

    // Striped: a lock is held while a record is synced, and contents must not wait for one another.
    private readonly Lock[] _stripes = [.. Enumerable.Range(0, 64).Select(_ => new Lock())];

    /// <summary>The record of a content, from memory if it was asked for lately: unpacking asks once per 32 KiB.</summary>
    public ContentRecord? Get(Digest digest)
    {
        if (_remembered.TryGetValue(digest, out ContentRecord? record))
        {
            return record;
        }

        lock (StripeOf(digest))
        {
            record = store.Contents.Get(digest);
            if (record?.Labels.Count <= MaxLabels)
            {
                Remember(record);
            }

            return record;
        }
    }

    /// <summary>Raised after a record has changed, on the thread that changed it; must not block.</summary>
    public event Action? Changed;

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
            _remembered.TryRemove(digest, out _);
            if (after is not null && !ReferenceEquals(before, after))
            {
                store.Contents.Put(after, sync: true);
                Changed?.Invoke();
            }
            else if (after is null && before is not null)
            {
                store.Contents.Delete(digest);
                Changed?.Invoke();
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
            _remembered.TryRemove(digest, out _);
            store.Commit(after, reference);
            Changed?.Invoke();
            return after;
        }
    }

    private void Remember(ContentRecord record)
    {
        if (_remembered.Count >= MaxRemembered)
        {
            _remembered.Clear();
        }

        _remembered[record.Digest] = record;
    }

    private Lock StripeOf(Digest digest) => _stripes[(uint)digest.GetHashCode() % (uint)_stripes.Length];
}
