using System.Collections.Concurrent;
using System.Diagnostics;
using Ipcs.Multiformats;

namespace Ipcs.Blockstore;

/// <summary>
/// The content index with atomic changes and a small read cache. Every change of a record that depends on its previous value must be made
/// here: changes of one digest run one at a time, so none is lost. <see cref="Get"/> caches recently read records in memory. One instance
/// per store. Thread-safe.
/// </summary>
public sealed class ContentCatalog(IStore store)
{
    /// <summary>The most records cached, of some hundred bytes each: enough for those of an image that is being unpacked.</summary>
    private const int MaxCached = 256;

    /// <summary>Records with more labels are not cached: a label may have 4 KiB. Layers have a few labels, indexes many.</summary>
    private const int MaxLabels = 16;

    private readonly ConcurrentDictionary<Digest, ContentRecord> _cache = new();

    // Striped: a lock is held during a synced write, for which changes of other contents should not wait.
    private readonly Lock[] _stripes = [.. Enumerable.Range(0, 64).Select(_ => new Lock())];

    /// <summary>The record of a content, from the cache if it was read recently: unpacking asks once per 32 KiB.</summary>
    public ContentRecord? Get(Digest digest)
    {
        if (_cache.TryGetValue(digest, out ContentRecord? record))
        {
            return record;
        }

        lock (StripeOf(digest))
        {
            record = store.Contents.Get(digest);
            if (record?.Labels.Count <= MaxLabels)
            {
                Cache(record);
            }

            return record;
        }
    }

    /// <summary>Raised after a record has changed, on the thread that changed it. Handlers must not block.</summary>
    public event Action? Changed;

    /// <summary>
    /// Marks a content as incomplete, unless it has got another root or was deleted meanwhile. Returns its record as it is then; null when
    /// the content is not incomplete.
    /// </summary>
    public ContentRecord? MarkIncomplete(ContentRecord content)
    {
        ContentRecord? changed = Change(
            content.Digest, now => now is { Complete: true } && now.Root == content.Root ? now with { Complete = false } : now);
        return changed is { Complete: false } ? changed : null;
    }

    /// <summary>
    /// Makes containerd the owner of a complete content that nobody owns, durably, unless containerd has deleted it. Returns the record as
    /// it is then; null when there is none.
    /// </summary>
    public ContentRecord? Claim(Digest digest, DateTimeOffset now) => Change(
        digest,
        record => record is { Owned: false, Complete: true, Retained: false }
            ? record with { Owned = true, CreatedAt = now, UpdatedAt = now }
            : record);

    /// <summary>
    /// Ends containerd's ownership of a content, durably. The record is deleted, or kept without an owner when its root is pinned, or when
    /// it is complete and to be retained.
    /// </summary>
    /// <param name="digest">The digest.</param>
    /// <param name="when">Decides with the owned record as it is at that moment.</param>
    /// <param name="retainedAt">The time from which on a complete content is retained; null for not at all.</param>
    /// <returns>True when containerd owned the content and does so no longer.</returns>
    public bool Release(Digest digest, Func<ContentRecord, bool> when, DateTimeOffset? retainedAt = null)
    {
        bool released = false;
        Change(digest, record =>
        {
            released = record is { Owned: true } && when(record);
            if (!released)
            {
                return record;
            }

            // The root of a record and that of a pin may have CIDs of different versions.
            bool isPinned = (store.Pins.Get(record!.Root) ?? store.Pins.Get(record.Root.ToV1())) is not null;
            return isPinned || (record.Complete && retainedAt is not null)
                ? record with
                {
                    Owned = false,
                    Retained = !isPinned,
                    UpdatedAt = retainedAt ?? record.UpdatedAt,
                    Labels = new Dictionary<string, string>(0),
                }
                : null;
        });
        return released;
    }

    /// <summary>
    /// Calls <paramref name="change"/> with the record (null when there is none) and puts the returned record durably. Writes nothing when
    /// the same instance is returned; deletes the record when null is returned.
    /// </summary>
    /// <returns>What <paramref name="change"/> returned.</returns>
    public ContentRecord? Change(Digest digest, Func<ContentRecord?, ContentRecord?> change)
    {
        lock (StripeOf(digest))
        {
            ContentRecord? before = store.Contents.Get(digest);
            ContentRecord? after = change(before);
            Debug.Assert(after is null || after.Digest == digest, "a change keeps the digest");
            _cache.TryRemove(digest, out _);
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

    /// <summary>
    /// As <see cref="Change"/>, but commits the returned record and removes the ingest of <paramref name="reference"/> in the same write.
    /// </summary>
    public ContentRecord Commit(Digest digest, string reference, Func<ContentRecord?, ContentRecord> change)
    {
        lock (StripeOf(digest))
        {
            ContentRecord after = change(store.Contents.Get(digest));
            Debug.Assert(after.Digest == digest, "a change keeps the digest");
            _cache.TryRemove(digest, out _);
            store.Commit(after, reference);
            Changed?.Invoke();
            return after;
        }
    }

    private void Cache(ContentRecord record)
    {
        if (_cache.Count >= MaxCached)
        {
            _cache.Clear();
        }

        _cache[record.Digest] = record;
    }

    private Lock StripeOf(Digest digest) => _stripes[(uint)digest.GetHashCode() % (uint)_stripes.Length];
}
