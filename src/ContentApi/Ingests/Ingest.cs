using System.Diagnostics;
using System.Security.Cryptography;
using Ipcs.Blockstore;
using Ipcs.ContentApi.Hosting;
using Ipcs.ContentApi.Wire;
using Ipcs.Dag.Import;
using Ipcs.Multiformats;

namespace Ipcs.ContentApi.Ingests;

/// <summary>
/// The bytes written so far under one reference. Each full chunk is stored as a block; the open chunk is in memory. The bytes of one
/// request are stored while the next request is received. Owns the importer and the running hashes. Used only by the session that has
/// locked the reference, except for <see cref="Roots"/>, which is thread-safe.
/// </summary>
internal sealed class Ingest : IDisposable
{
    /// <summary>
    /// Requests with at least so many bytes are stored on another thread; for fewer, the switch costs more than it saves.
    /// </summary>
    private const int ParallelFrom = 128 * 1024;

    private readonly IStore _store;
    private readonly ImportProfile _profile;
    private readonly TimeProvider _time;
    private readonly Lock _gate = new();
    private readonly IncrementalHash _sha256 = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
    private DagImporter _importer;
    private IncrementalHash? _other;
    private uint _otherCode;
    private IGrowingContent? _shared;
    private Task _storing = Task.CompletedTask;
    private long _savedAt;
    private bool _finished;
    private Cid? _root;

    private Ingest(IStore store, ImportProfile profile, TimeProvider time, string reference, DagImporter importer)
    {
        _store = store;
        _profile = profile;
        _time = time;
        Ref = reference;
        _importer = importer;
    }

    /// <summary>The reference.</summary>
    public string Ref { get; }

    /// <summary>When the ingest began.</summary>
    public DateTimeOffset StartedAt { get; private init; }

    /// <summary>When bytes were last written.</summary>
    public DateTimeOffset UpdatedAt { get; private set; }

    /// <summary>The declared length in bytes; 0 when unknown.</summary>
    public long Total { get; set; }

    /// <summary>The declared digest; empty when unknown.</summary>
    public string Expected { get; set; } = "";

    /// <summary>The number of bytes written.</summary>
    public long Offset { get; private set; }

    /// <summary>False after <see cref="Finish"/> or a failure to store: nothing can be written to this object any more.</summary>
    public bool CanResume => !_finished;

    /// <summary>The state as clients see it.</summary>
    public IngestStatus Status => new(Ref, Offset, Total, Expected, StartedAt, UpdatedAt);

    /// <summary>The sha256 digest of the bytes written.</summary>
    public Digest DigestSoFar => Current(_sha256, Multihash.Sha2_256);

    /// <summary>All bytes written while they are fewer than a chunk has; else empty. Call <see cref="DrainAsync"/> before.</summary>
    public ReadOnlySpan<byte> OpenChunk => _importer.DurableLength == 0 ? _importer.Tail : [];

    /// <summary>A new ingest without bytes.</summary>
    public static Ingest Begin(IStore store, ImportProfile profile, TimeProvider time, string reference)
    {
        DateTimeOffset now = time.GetUtcNow();
        return new Ingest(store, profile, time, reference, new DagImporter(store.Blocks, profile)) { StartedAt = now, UpdatedAt = now };
    }

    /// <summary>Resumes an interrupted ingest from its record. Its bytes are read back and hashed again.</summary>
    /// <exception cref="Dag.DagFormatException">The state is damaged or was made with another profile.</exception>
    /// <exception cref="Dag.BlockNotFoundException">A block of the ingest is not in the store.</exception>
    public static Ingest Restore(IStore store, ImportProfile profile, TimeProvider time, IngestRecord record)
    {
        IngestState.Decode(record.State.Span, out ReadOnlySpan<byte> state, out ReadOnlySpan<byte> tail);
        var ingest = new Ingest(store, profile, time, record.Ref, DagImporter.Restore(store.Blocks, profile, state))
        {
            StartedAt = record.StartedAt,
            UpdatedAt = record.UpdatedAt,
            Total = record.Total,
            Expected = record.Expected,
        };
        try
        {
            ingest._importer.RehashInto(ingest._sha256);
            ingest._sha256.AppendData(tail);
            ingest._importer.Write(tail);
            ingest._savedAt = ingest._importer.DurableLength;
            ingest.Offset = ingest._importer.Length;
            return ingest;
        }
        catch
        {
            ingest.Dispose();
            throw;
        }
    }

    /// <summary>
    /// Hashes with the algorithm of <paramref name="code"/> too from now on, so that a commit need not read the bytes back.
    /// </summary>
    public void Expect(uint code)
    {
        if (code == Multihash.Sha2_256 || code == _otherCode)
        {
            return;
        }

        _other?.Dispose();
        _other = Rehash(code);
        _otherCode = code;
    }

    /// <summary>
    /// Writes the data of a request and disposes the request. Returns when the data is hashed; it may still be being stored then, and the
    /// next
    /// <see cref="DrainAsync"/> throws if that fails.
    /// </summary>
    /// <param name="request">The request, which this object owns from now on.</param>
    /// <param name="saveEvery">The record is written each time so many new bytes are stored.</param>
    public async ValueTask WriteAsync(WriteRequest request, long saveEvery)
    {
        await DrainAsync();
        ReadOnlyMemory<byte> data = request.Data;
        IngestRecord record = RecordAt(0, default);
        if (data.Length >= ParallelFrom)
        {
            Task storing = Task.Run(() => Store(data.Span, saveEvery, record));
            Hash(data.Span);
            _storing = DisposeAfterAsync(storing, request);
        }
        else
        {
            using (request)
            {
                Hash(data.Span);
                Store(data.Span, saveEvery, record);
            }
        }

        Offset += data.Length;
        UpdatedAt = _time.GetUtcNow();
        _shared?.Advance(Offset);
    }

    /// <summary>
    /// Adds the chunks that are stored to a content that peers see, and from now on each further one. Call <see cref="DrainAsync"/> before.
    /// </summary>
    /// <exception cref="Dag.BlockNotFoundException">A node of the ingest is not in the store.</exception>
    public void Share(IGrowingContent content)
    {
        AssertDrained();
        foreach (Cid leaf in _importer.Leaves())
        {
            content.Add(leaf);
        }

        content.Advance(Offset);
        _shared = content;
        _importer.LeafStored = content.Add;
    }

    /// <summary>Ends the sharing, if there is any. Call <see cref="DrainAsync"/> before.</summary>
    public void Unshare()
    {
        _shared = null;
        _importer.LeafStored = null;
    }

    /// <summary>Waits until all bytes written are stored.</summary>
    /// <exception cref="StoreException">The store failed.</exception>
    public Task DrainAsync() => _storing;

    /// <summary>Drops all bytes. Call <see cref="DrainAsync"/> before.</summary>
    public void Truncate()
    {
        AssertDrained();
        Debug.Assert(_shared is null, "what peers see is not truncated");
        Offset = 0;
        lock (_gate)
        {
            _importer = new DagImporter(_store.Blocks, _profile);
        }

        _savedAt = 0;
        _sha256.GetHashAndReset();
        _other?.GetHashAndReset();
        UpdatedAt = _time.GetUtcNow();
    }

    /// <summary>The digest of all bytes by the algorithm of <paramref name="code"/>. Call <see cref="DrainAsync"/> before.</summary>
    public Digest ComputeDigest(uint code)
    {
        if (code == Multihash.Sha2_256)
        {
            return DigestSoFar;
        }

        if (code == _otherCode)
        {
            return Current(_other!, code);
        }

        using IncrementalHash hash = Rehash(code);
        return Current(hash, code);
    }

    /// <summary>Stores the open chunk and the nodes above the leaves; ends the ingest. Call <see cref="DrainAsync"/> before.</summary>
    public DagRoot Finish()
    {
        AssertDrained();
        Debug.Assert(!_finished, "an ingest is finished once");
        _finished = true;
        lock (_gate)
        {
            // Reported by Roots until the commit has put the root into the index.
            DagRoot root = _importer.Finish();
            Debug.Assert(root.Size == Offset, "the DAG has every byte that was written");
            _root = root.Root;
            return root;
        }
    }

    /// <summary>Stores the record with the state up to the last byte. Call <see cref="DrainAsync"/> before.</summary>
    public void Save()
    {
        AssertDrained();
        _store.Ingests.Put(
            RecordAt(Offset, IngestState.Encode(_importer.ExportState(), _importer.Tail)),
            _importer.IsBulk ? Durability.Synced : Durability.Logged);
        _savedAt = _importer.DurableLength;
    }

    /// <summary>The roots below which all stored blocks of the ingest are.</summary>
    public IReadOnlyList<Cid> Roots()
    {
        lock (_gate)
        {
            return _root is { } root ? [root] : _importer.Roots;
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _sha256.Dispose();
        _other?.Dispose();
    }

    private static async Task DisposeAfterAsync(Task storing, WriteRequest request)
    {
        using (request)
        {
            await storing;
        }
    }

    private void Hash(ReadOnlySpan<byte> data)
    {
        _sha256.AppendData(data);
        _other?.AppendData(data);
    }

    private void Store(ReadOnlySpan<byte> data, long saveEvery, IngestRecord record)
    {
        try
        {
            lock (_gate)
            {
                _importer.Write(data);
            }
        }
        catch
        {
            // The hashes contain these bytes and the importer does not: only the last record is consistent.
            _finished = true;
            throw;
        }

        if (_importer.DurableLength - _savedAt >= saveEvery)
        {
            // Up to the last full chunk, since the open chunk would be written again with every record.
            _store.Ingests.Put(
                record with { Offset = _importer.DurableLength, State = IngestState.Encode(_importer.ExportState(), []) },
                _importer.IsBulk ? Durability.Deferred : Durability.Logged);
            _savedAt = _importer.DurableLength;
        }
    }

    private IngestRecord RecordAt(long offset, ReadOnlyMemory<byte> state) => new()
    {
        Ref = Ref,
        Total = Total,
        Expected = Expected,
        StartedAt = StartedAt,
        UpdatedAt = UpdatedAt,
        Offset = offset,
        State = state,
    };

    private IncrementalHash Rehash(uint code)
    {
        var hash = IncrementalHash.CreateHash(code switch
        {
            Multihash.Sha2_384 => HashAlgorithmName.SHA384,
            Multihash.Sha2_512 => HashAlgorithmName.SHA512,
            _ => HashAlgorithmName.SHA256,
        });
        try
        {
            _importer.RehashInto(hash);
            hash.AppendData(_importer.Tail);
            return hash;
        }
        catch
        {
            hash.Dispose();
            throw;
        }
    }

    [Conditional("DEBUG")]
    private void AssertDrained()
    {
        Debug.Assert(_storing.IsCompleted, "no bytes are being stored");
        Debug.Assert(_finished || _importer.Length == Offset, "the importer has every byte up to the offset");
    }

    private static Digest Current(IncrementalHash hash, uint code)
    {
        Span<byte> digest = stackalloc byte[64];
        return new Digest(new Multihash(code, digest[..hash.GetCurrentHash(digest)]));
    }
}
