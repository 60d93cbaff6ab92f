using System.Security.Cryptography;
using Ipcs.Blockstore;
using Ipcs.Dag.Import;

namespace Ipcs.Microbenchmarks;

/// <summary>A file into a DAG: what <c>ipcs add</c> does, and with the digest of the whole, what a converted layer takes.</summary>
internal static class ImportBenchmark
{
    public static async Task RunAsync(string file, string folder)
    {
        await Row.PrintAsync("import, no store", Length(file), () => new ForgetfulStore(), store => AddAsync(file, store, ImportProfile.KuboV1, digest: false));
        await Row.PrintAsync("import, no store, with the digest", Length(file), () => new ForgetfulStore(), store => AddAsync(file, store, ImportProfile.KuboV1, digest: true));
        await Row.PrintAsync("import, RocksDB", Length(file), () => Open(folder), store => AddAsync(file, store.Blocks, ImportProfile.KuboV1, digest: false));
        await Row.PrintAsync("import, RocksDB, dag-pb leaves", Length(file), () => Open(folder), store => AddAsync(file, store.Blocks, ImportProfile.KuboV0, digest: false));
        await Row.PrintAsync("import, RocksDB, with the digest", Length(file), () => Open(folder), store => AddAsync(file, store.Blocks, ImportProfile.KuboV1, digest: true));
    }

    /// <summary>A new store each time.</summary>
    public static RocksStore Open(string folder) => RocksStore.Open(Directory.CreateDirectory(Path.Combine(folder, "store-" + Guid.NewGuid().ToString("n"))).FullName);

    public static async Task<DagRoot> AddAsync(string file, IBlockstore store, ImportProfile profile, bool digest)
    {
        await using FileStream stream = new(file, FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 0, FileOptions.SequentialScan);
        using IncrementalHash? hash = digest ? IncrementalHash.CreateHash(HashAlgorithmName.SHA256) : null;
        return await DagImport.FromStreamAsync(stream, store, profile, hash, CancellationToken.None);
    }

    private static long Length(string file) => new FileInfo(file).Length;
}
