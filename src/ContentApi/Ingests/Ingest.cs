using System.Security.Cryptography;
using Ipcs.Blockstore;
using Ipcs.ContentApi.Wire;
using Ipcs.Dag.Import;
using Ipcs.Multiformats;

namespace Ipcs.ContentApi.Ingests;

/// <summary>
/// The bytes of one reference on their way into the store: each full chunk is a block already, only the open one is in memory, and what
/// came last is being stored while the next comes. Owns the importer and the running hash. Used by who holds the reference's lock; only
/// <see cref="Roots"/> by anybody.
/// </summary>
internal sealed class Ingest : IDisposable
{
    /// <summary>From this many bytes on, they are stored beside what follows: below, a thread hop costs more than it saves.</summary>
    private const int BesideFrom = 128 * 1024;

    private readonly IStore _store;
    private readonly ImportProfile _profile;
    private readonly TimeProvider _time;
    private readonly Lock _gate = new();
    private readonly IncrementalHash _sha256 = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
    private DagImporter _importer;
    private IncrementalHash? _other;
    private uint _otherCode;
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

    public string Ref { get; }

    public DateTimeOffset StartedAt { get; private init; }

    public DateTimeOffset UpdatedAt { get; private set; }

    public long Total { get; set; }

    public string Expected { get; set; } = "";

    /// <summary>How many bytes have been written.</summary>
    public long Offset { get; private set; }

    /// <summary>False once <see cref="Finish"/> was called or bytes could not be stored: it can't be written to any more.</summary>
    public bool CanResume => !_finished;

    public IngestStatus Status => new(Ref, Offset, Total, Expected, StartedAt, UpdatedAt);

    /// <summary>The sha256 of what has been written.</summary>
    public Digest DigestSoFar => Current(_sha256, Multihash.Sha2_256);

    /// <summary>All bytes written, while they are less than a chunk; else empty. Settled.</summary>
    public ReadOnlySpan<byte> Small => _importer.DurableLength == 0 ? _importer.Tail : [];

    /// <summary>Begins anew.</summary>
    public static Ingest Begin(IStore store, ImportProfile profile, TimeProvider time, string reference)
    {
        DateTimeOffset now = time.GetUtcNow();
        return new Ingest(store, profile, time, reference, new DagImporter(store.Blocks, profile)) { StartedAt = now, UpdatedAt = now };
    }

    /// <summary>Goes on with an interrupted one. Its bytes are read back for the hash.</summary>
    /// <exception cref="Dag.DagFormatException">The state is damaged, or of another profile.</exception>
    /// <exception cref="Dag.BlockNotFoundException">The store has lost a block of it.</exception>
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

    /// <summary>Hashes by the algorithm of <paramref name="code"/> too from now on, so that a commit needn't read the bytes back.</summary>
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
    /// Takes the next bytes of a request, which is this one's from then on. Returns once they are hashed; many are being stored then still, and
    /// if that fails, the next call that needs it says so.
    /// </summary>
    /// <param name="request">The request.</param>
    /// <param name="saveEvery">After how many new bytes the place is written down.</param>
    public async ValueTask WriteAsync(WriteRequest request, long saveEvery)
    {
        await SettleAsync();
        ReadOnlyMemory<byte> data = request.Data;
        IngestRecord place = Place(0, default);
        if (data.Length >= BesideFrom)
        {
            Task storing = Task.Run(() => Store(data.Span, saveEvery, place));
            Hash(data.Span);
            _storing = GiveBackAsync(storing, request);
        }
        else
        {
            using (request)
            {
                Hash(data.Span);
                Store(data.Span, saveEvery, place);
            }
        }

        Offset += data.Length;
        UpdatedAt = _time.GetUtcNow();
    }

    /// <summary>Waits until all bytes written are stored.</summary>
    /// <exception cref="StoreException">They can't be.</exception>
    public Task SettleAsync() => _storing;

    /// <summary>Forgets all bytes. Settled.</summary>
    public void Truncate()
    {
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

    /// <summary>The digest of all bytes, by the algorithm of <paramref name="code"/>. Settled.</summary>
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

    /// <summary>Stores the tail and the nodes above the leaves. Nothing can be written after that. Settled.</summary>
    public DagRoot Finish()
    {
        _finished = true;
        lock (_gate)
        {
            // Until the commit has named the root, a garbage collection hears of it from here.
            DagRoot root = _importer.Finish();
            _root = root.Root;
            return root;
        }
    }

    /// <summary>Writes down where it is, to the last byte. Settled.</summary>
    public void Save()
    {
        _store.Ingests.Put(Place(Offset, IngestState.Encode(_importer.ExportState(), _importer.Tail)), _importer.IsBulk ? Durability.Synced : Durability.Logged);
        _savedAt = _importer.DurableLength;
    }

    /// <summary>The roots of what it has written.</summary>
    public IReadOnlyList<Cid> Roots()
    {
        lock (_gate)
        {
            return _root is { } root ? [root] : _importer.Roots;
        }
    }

    public void Dispose()
    {
        _sha256.Dispose();
        _other?.Dispose();
    }

    private static async Task GiveBackAsync(Task storing, WriteRequest request)
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

    private void Store(ReadOnlySpan<byte> data, long saveEvery, IngestRecord place)
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
            // The hash has these bytes and the importer hasn't: only what was saved is sure.
            _finished = true;
            throw;
        }

        if (_importer.DurableLength - _savedAt >= saveEvery)
        {
            // As of the last full chunk: the open one is rewritten with every save.
            _store.Ingests.Put(
                place with { Offset = _importer.DurableLength, State = IngestState.Encode(_importer.ExportState(), []) },
                _importer.IsBulk ? Durability.Deferred : Durability.Logged);
            _savedAt = _importer.DurableLength;
        }
    }

    private IngestRecord Place(long offset, ReadOnlyMemory<byte> state) => new()
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

    private static Digest Current(IncrementalHash hash, uint code)
    {
        Span<byte> digest = stackalloc byte[64];
        return new Digest(new Multihash(code, digest[..hash.GetCurrentHash(digest)]));
    }
}
