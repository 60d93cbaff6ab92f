using System.Security.Cryptography;
using Ipcs.Blockstore;
using Ipcs.Dag.Import;
using Ipcs.Multiformats;

namespace Ipcs.ContentApi.Writing;

/// <summary>
/// One write under way: the importer, the hash of all bytes so far, and what STAT tells. Used by the one stream that holds its lock.
/// Owns the importer and the hash.
/// </summary>
internal sealed class Ingest : IDisposable
{
    /// <summary>How often a long write makes itself resumable, in bytes: what a crash can cost of it.</summary>
    private const long CheckpointLength = 16 << 20;

    private readonly IStore _store;
    private readonly ImportProfile _profile;
    private readonly TimeProvider _time;
    private DagImporter _importer;
    private IncrementalHash _hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
    private long _checkpoint;
    private volatile IngestRecord _record;

    private Ingest(IStore store, ImportProfile profile, TimeProvider time, IngestRecord record, DagImporter importer)
    {
        _store = store;
        _profile = profile;
        _time = time;
        _record = record;
        _importer = importer;
    }

    /// <summary>What STAT and ListStatuses tell, offset included; safe to read from any thread.</summary>
    public IngestRecord Record => _record;

    /// <summary>Bytes taken so far.</summary>
    public long Offset => _importer.Length;

    /// <summary>The sha256 of the bytes so far.</summary>
    public Digest Current => new(new Multihash(Multihash.Sha2_256, _hash.GetCurrentHash()));

    /// <summary>Takes up an interrupted write, or begins one (and makes it visible).</summary>
    public static Ingest Open(IStore store, ImportProfile profile, TimeProvider time, string reference, long total, string expected)
    {
        if (store.Ingests.Get(reference) is { } record && TryResume(store, profile, time, record) is { } resumed)
        {
            return resumed;
        }

        DateTimeOffset now = time.GetUtcNow();
        var fresh = new IngestRecord { Ref = reference, Total = total, Expected = expected, StartedAt = now, UpdatedAt = now };
        store.Ingests.Put(fresh);
        return new Ingest(store, profile, time, fresh, new DagImporter(store.Blocks, profile));
    }

    /// <summary>Notes what a request says of the whole.</summary>
    public void Describe(long total, string expected)
    {
        if (total > 0 || expected.Length > 0)
        {
            _record = _record with { Total = total > 0 ? total : _record.Total, Expected = expected.Length > 0 ? expected : _record.Expected };
        }
    }

    /// <summary>Takes bytes.</summary>
    public void Append(ReadOnlySpan<byte> data)
    {
        _importer.Write(data);
        _hash.AppendData(data);
        _record = _record with { UpdatedAt = _time.GetUtcNow(), Offset = Offset };
        if (Offset - _checkpoint >= CheckpointLength)
        {
            Save();
        }
    }

    /// <summary>Forgets all bytes.</summary>
    public void Truncate()
    {
        _importer = new DagImporter(_store.Blocks, _profile);
        _hash.Dispose();
        _hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        _checkpoint = 0;
        _record = _record with { UpdatedAt = _time.GetUtcNow(), Offset = 0, State = default };
        _store.Ingests.Put(_record);
    }

    /// <summary>Makes the write resumable at this very byte.</summary>
    public void Save()
    {
        _checkpoint = Offset;
        byte[] state = _importer.ExportState();
        byte[] whole = new byte[4 + state.Length + _importer.Tail.Length];
        System.Buffers.Binary.BinaryPrimitives.WriteInt32LittleEndian(whole, state.Length);
        state.CopyTo(whole, 4);
        _importer.Tail.CopyTo(whole.AsSpan(4 + state.Length));
        _record = _record with { Offset = Offset, State = whole };
        _store.Ingests.Put(_record);
    }

    /// <summary>The digest of all bytes by the algorithm of <paramref name="like"/>; anything but sha256 reads the stored blocks again.</summary>
    public Digest DigestLike(Digest like)
    {
        if (like.Hash.Code == Multihash.Sha2_256)
        {
            return Current;
        }

        using var hash = IncrementalHash.CreateHash(like.Hash.Code == Multihash.Sha2_512 ? HashAlgorithmName.SHA512 : HashAlgorithmName.SHA384);
        _importer.RehashInto(hash);
        hash.AppendData(_importer.Tail);
        return new Digest(new Multihash(like.Hash.Code, hash.GetHashAndReset()));
    }

    /// <summary>Finishes the DAG and commits the content, durably.</summary>
    public ContentRecord Commit(Digest digest, IReadOnlyDictionary<string, string> labels)
    {
        DagRoot root = _importer.Finish();
        DateTimeOffset now = _time.GetUtcNow();
        var content = new ContentRecord
        {
            Digest = digest, Kind = ContentKind.Blob, Root = root.Root, Size = root.Size, Profile = _profile.Name,
            Owned = true, Complete = true, CreatedAt = now, UpdatedAt = now, Labels = labels,
        };
        _store.Commit(content, _record.Ref);
        return content;
    }

    /// <inheritdoc/>
    public void Dispose() => _hash.Dispose();

    /// <summary>Null when the state can't be used any more: then the write begins anew.</summary>
    private static Ingest? TryResume(IStore store, ImportProfile profile, TimeProvider time, IngestRecord record)
    {
        if (record.State.Length < 4)
        {
            return new Ingest(store, profile, time, record with { Offset = 0 }, new DagImporter(store.Blocks, profile));
        }

        try
        {
            ReadOnlySpan<byte> whole = record.State.Span;
            int length = System.Buffers.Binary.BinaryPrimitives.ReadInt32LittleEndian(whole);
            if (length < 0 || length > whole.Length - 4)
            {
                return null;
            }

            DagImporter importer = DagImporter.Restore(store.Blocks, profile, whole.Slice(4, length));
            ReadOnlySpan<byte> tail = whole[(4 + length)..];
            var ingest = new Ingest(store, profile, time, record, importer);
            importer.RehashInto(ingest._hash);
            importer.Write(tail);
            ingest._hash.AppendData(tail);
            ingest._checkpoint = importer.Length;
            ingest._record = record with { Offset = importer.Length };
            return ingest;
        }
        catch (Exception e) when (e is IOException or ArgumentException)
        {
            return null;
        }
    }
}
