using Ipcs.Blockstore.Rocks;
using Ipcs.Dag;
using Ipcs.Dag.Import;
using Ipcs.Dag.Read;

namespace Ipcs.Microbenchmarks;

/// <summary>Reads a file from RocksDB in sequence, by 32 KiB as containerd does when it unpacks, and by 1 MiB.</summary>
internal static class ReadBenchmark
{
    public static async Task RunAsync(string file, string folder)
    {
        using RocksStore store = ImportBenchmark.Open(folder);
        foreach (ImportProfile profile in new[] { ImportProfile.KuboV1, ImportProfile.KuboV0 })
        {
            DagRoot root = await ImportBenchmark.AddAsync(file, store.Blocks, profile, digest: false);
            foreach (int piece in new[] { 32 << 10, 1 << 20 })
            {
                string name = $"read by {piece >> 10} KiB, RocksDB, {profile.Name}";
                await Row.PrintAsync(name, root.Size, () => new MemoryStream(), _ => ReadAsync(store, root, piece));
            }
        }
    }

    private static async Task ReadAsync(RocksStore store, DagRoot root, int piece)
    {
        byte[] buffer = new byte[piece];
        await using DagReader reader = await DagReader.OpenAsync(root.Root, new LocalBlockSource(store.Blocks), CancellationToken.None);
        for (long at = 0; at < root.Size;)
        {
            at += await reader.ReadAsync(at, buffer, CancellationToken.None);
        }
    }
}
