using Ipcs.Blockstore;
using Ipcs.Blockstore.Memory;
using Ipcs.Blockstore.Rocks;
using Ipcs.Dag.Chunking;
using Ipcs.Dag.Gc;
using Ipcs.Dag.Import;
using Ipcs.Multiformats;
using Microsoft.Extensions.Logging.Abstractions;

namespace Ipcs.Dag.Tests.Gc;

/// <summary>
/// A store with its collector, and helpers to fill it. Small chunks and a small fan-out give deep DAGs of little data.
/// </summary>
internal sealed class RepoFixture : IDisposable
{
    public static readonly ImportProfile Profile =
        new() { Name = "tiny", CidVersion = 1, RawLeaves = true, Chunker = ChunkerSpec.Size(4096), MaxChildren = 4 };

    public RepoFixture(bool onDisk)
    {
        Folder = onDisk ? Directory.CreateTempSubdirectory("ipcs-repo-").FullName : null;
        Store = Folder is null ? new MemoryStore() : RocksStore.Open(Folder);
        Updates = new ContentCatalog(Store);
        Collector = new GarbageCollector(Store, Updates, Ingests, TimeProvider.System, NullLogger<GarbageCollector>.Instance);
    }

    public string? Folder { get; }

    public IStore Store { get; }

    public ContentCatalog Updates { get; }

    public FakeIngests Ingests { get; } = new();

    public GarbageCollector Collector { get; }

    public static ContentRecord Record(byte[] data, DagRoot root, bool owned = true) => new()
    {
        Digest = Digest.Sha256(data),
        Kind = ContentKind.Blob,
        Root = root.Root,
        Size = data.Length,
        Profile = "tiny",
        Owned = owned,
        Complete = true,
    };

    public DagRoot Import(byte[] data) => Import(Store, data);

    public static DagRoot Import(IStore store, byte[] data)
    {
        var importer = new DagImporter(store.Blocks, Profile);
        importer.Write(data);
        return importer.Finish();
    }

    public async Task<List<Multihash>> CollectAsync()
    {
        List<Multihash> removed = [];
        await Collector.CollectAsync((hash, _) => removed.Add(hash), TestContext.Current.CancellationToken);
        return removed;
    }

    public void Dispose()
    {
        Collector.Dispose();
        Store.Dispose();
        if (Folder is not null)
        {
            Directory.Delete(Folder, recursive: true);
        }
    }
}
