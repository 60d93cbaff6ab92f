using System.Security.Cryptography;
using Ipcs.Blockstore;
using Ipcs.Blockstore.Rocks;
using Ipcs.Dag.Import;

namespace Ipcs.Microbenchmarks;

/// <summary>Imports a file into a DAG as <c>ipcs add</c> does, and with the digest of the whole as for a converted layer.</summary>
internal static class ImportBenchmark
{
    public static async Task RunAsync(string file, string folder)
    {
        long length = new FileInfo(file).Length;
        await WithoutStoreAsync("import, no store", digest: false);
        await WithoutStoreAsync("import, no store, with the digest", digest: true);
        await WithStoreAsync("import, RocksDB", ImportProfile.KuboV1, digest: false);
        await WithStoreAsync("import, RocksDB, dag-pb leaves", ImportProfile.KuboV0, digest: false);
        await WithStoreAsync("import, RocksDB, with the digest", ImportProfile.KuboV1, digest: true);

        Task WithoutStoreAsync(string name, bool digest) =>
            Row.PrintAsync(name, length, () => new ForgetfulStore(), store => AddAsync(file, store, ImportProfile.KuboV1, digest));
        Task WithStoreAsync(string name, ImportProfile profile, bool digest) =>
            Row.PrintAsync(name, length, () => Open(folder), store => AddAsync(file, store.Blocks, profile, digest));
    }

    /// <summary>Opens a new store.</summary>
    public static RocksStore Open(string folder)
    {
        string path = Path.Combine(folder, "store-" + Guid.NewGuid().ToString("n"));
        return RocksStore.Open(Directory.CreateDirectory(path).FullName);
    }

    public static async Task<DagRoot> AddAsync(string file, IBlockstore store, ImportProfile profile, bool digest)
    {
        await using FileStream stream = new(
            file, FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 0, FileOptions.SequentialScan);
        using IncrementalHash? hash = digest ? IncrementalHash.CreateHash(HashAlgorithmName.SHA256) : null;
        return await DagImport.FromStreamAsync(stream, store, profile, hash, CancellationToken.None);
    }
}
