using System.Diagnostics;
using System.Globalization;
using Ipcs.Bench.Exchange;
using Ipcs.Bitswap;
using Ipcs.Blockstore;
using Ipcs.Dag.Import;
using Ipcs.Libp2p;
using Ipcs.Libp2p.Swarm;
using Ipcs.Multiformats;
using Microsoft.Extensions.Logging.Abstractions;

// How fast contents go from node to node, all of them in this process over loopback, their stores in RocksDB; and how long an Info waits. Each line is a
// Markdown row; the medians are of RUNS runs (3). The arguments are the MiB/s of the same file from Helia to Helia (helia.mjs), in the same run.
int runs = int.TryParse(Environment.GetEnvironmentVariable("RUNS"), out int n) ? n : 3;
long size = (long.TryParse(Environment.GetEnvironmentVariable("MIB"), out long mib) ? mib : 256) << 20;
Console.WriteLine($"{Environment.ProcessorCount} cores for all nodes together; {size >> 20} MiB.\n\n| what | median | least..most |\n|---|---:|---:|");
double ours = 0;
foreach (string muxer in (string[])["mplex", "yamux"])
{
    await RowAsync($"{muxer}: `/perf/1.0.0`, MiB/s", () => PerfAsync(muxer));
    ours = await RowAsync($"{muxer}: one source, MiB/s", () => FetchAsync(muxer, 1));
}

if (args.Length > 0)
{
    double theirs = Row("yamux: Helia to Helia, MiB/s", [.. args.Select(a => double.Parse(a, CultureInfo.InvariantCulture))]);
    Console.WriteLine(FormattableString.Invariant($"| yamux: one source, times Helia to Helia | {ours / theirs:F1} | at least 4 |"));
}

await RowAsync("yamux: one source that sends 40 MB/s, MB/s", () => FetchAsync("yamux", 1, 40_000_000), 1.048576);
await RowAsync("yamux: three sources that send 40 MB/s each, MB/s", () => FetchAsync("yamux", 3, 40_000_000), 1.048576);
await RowAsync("Info, 10 peers, one has it, ms", () => InfoAsync(known: true));
await RowAsync("Info, 10 peers, nobody has it, ms", () => InfoAsync(known: false));
return 0;

async Task<double> RowAsync(string what, Func<Task<double>> measure, double factor = 1)
{
    var figures = new List<double>();
    for (int i = 0; i < runs; i++)
    {
        figures.Add(await measure() * factor);
    }

    return Row(what, figures);
}

double Row(string what, List<double> figures)
{
    figures.Sort();
    Console.WriteLine(FormattableString.Invariant($"| {what} | {figures[figures.Count / 2]:F1} | {figures[0]:F1}..{figures[^1]:F1} |"));
    return figures[figures.Count / 2];
}

async Task<double> PerfAsync(string muxer)
{
    await using BenchNode one = await BenchNode.StartAsync(muxer);
    await using BenchNode two = await BenchNode.StartAsync(muxer);
    PeerInfo peer = await two.Host.ConnectAsync(one.Host.ListenAddresses[0], CancellationToken.None);
    long start = Stopwatch.GetTimestamp();
    await using PeerStream stream = await two.Host.OpenStreamAsync(peer.Peer, [PerfProtocol.Name], CancellationToken.None);
    byte[] length = new byte[8];
    System.Buffers.Binary.BinaryPrimitives.WriteInt64BigEndian(length, size);
    await stream.WriteAsync(length, CancellationToken.None);
    await stream.CloseWriteAsync(CancellationToken.None);
    byte[] buffer = new byte[1 << 20];
    for (int got; (got = await stream.ReadAsync(buffer, CancellationToken.None)) > 0;)
    {
        // Only counted.
    }

    return (size >> 20) / Stopwatch.GetElapsedTime(start).TotalSeconds;
}

async Task<double> FetchAsync(string muxer, int sources, long rate = 0)
{
    await using BenchNode two = await BenchNode.StartAsync(muxer);
    var nodes = new List<BenchNode>();
    ContentRecord there = null!;
    for (int i = 0; i < sources; i++)
    {
        BenchNode node = await BenchNode.StartAsync(muxer, rate);
        nodes.Add(node);
        there = await node.AddAsync(new SeededStream(size, seed: 1));
        await two.ConnectAsync(node);
    }

    long start = Stopwatch.GetTimestamp();
    ContentRecord owned = (await two.Fleet.FindAsync(there.Digest, CancellationToken.None))! with { Owned = true };
    two.Store.Commit(owned, ingestRef: null);
    two.Fleet.StartFetch(owned);
    await two.Fleet.WaitAsync(there.Digest, CancellationToken.None);
    double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
    foreach (BenchNode node in nodes)
    {
        await node.DisposeAsync();
    }

    return (size >> 20) / seconds;
}

async Task<double> InfoAsync(bool known)
{
    await using BenchNode two = await BenchNode.StartAsync("mplex");
    BenchNode[] peers = await Task.WhenAll(Enumerable.Range(0, 10).Select(_ => BenchNode.StartAsync("mplex")));
    var figures = new List<double>();
    foreach (BenchNode peer in peers)
    {
        await two.ConnectAsync(peer);
    }

    for (int i = 0; i < 100; i++)
    {
        Digest digest = known ? (await peers[i % 10].AddAsync(new SeededStream(600_000, i))).Digest : Digest.Sha256(BitConverter.GetBytes(i));
        long start = Stopwatch.GetTimestamp();
        bool found = await two.Fleet.FindAsync(digest, CancellationToken.None) is not null;
        figures.Add(found == known ? Stopwatch.GetElapsedTime(start).TotalMilliseconds : throw new InvalidOperationException("a wrong answer"));
    }

    foreach (BenchNode peer in peers)
    {
        await peer.DisposeAsync();
    }

    figures.Sort();
    return figures[50];
}
