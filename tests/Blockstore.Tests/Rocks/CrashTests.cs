using System.Buffers;
using System.Diagnostics;
using System.Globalization;
using Ipcs.Blockstore.Rocks;
using Ipcs.Multiformats;
using Ipcs.TestKit;

namespace Ipcs.Blockstore.Tests.Rocks;

public sealed class CrashTests : IDisposable
{
    private readonly TempFolder _folder = new();

    [Fact]
    public async Task What_a_commit_has_answered_is_there_after_every_kill()
    {
        const int Kills = 5;
        CancellationToken cancel = TestContext.Current.CancellationToken;
        Random random = new(5);
        int next = 0;
        List<int> answered = [];
        for (int kill = 0; kill < Kills; kill++)
        {
            int first = next;
            int last = first - 1;
            using (Process writer = StartWriter(first))
            {
                int enough = first + random.Next(3, 40);
                long spins = random.Next(2_000_000);
                while (last < enough && await writer.StandardOutput.ReadLineAsync(cancel) is { } line)
                {
                    answered.Add(last = int.Parse(line, CultureInfo.InvariantCulture));
                }

                Assert.True(last >= enough, await StandardError(writer));

                // At any point between or during commits.
                for (long i = 0; i < spins; i++)
                {
                    Thread.SpinWait(1);
                }

                writer.Kill();
                while (await writer.StandardOutput.ReadLineAsync(cancel) is { } line)
                {
                    answered.Add(last = int.Parse(line, CultureInfo.InvariantCulture));
                }

                await writer.WaitForExitAsync(cancel);
            }

            using RocksStore store = RocksStore.Open(_folder.Path);
            answered.ForEach(number => AssertCommitted(store, number));
            AssertWhole(store);

            // The next commit was running: it may or may not be there.
            next = last + 2;
        }
    }

    public void Dispose() => _folder.Dispose();

    private static async Task<string> StandardError(Process process) => process.HasExited
        ? await process.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken)
        : "";

    private static void AssertCommitted(RocksStore store, int number)
    {
        Assert.Equivalent(CrashWriter.Record(number), store.Contents.Get(CrashWriter.Record(number).Digest), strict: true);
        Assert.Null(store.Ingests.Get($"{number}"));
        foreach (byte[] block in CrashWriter.Blocks(number)[..^1])
        {
            using IMemoryOwner<byte>? got = store.Blocks.Get(Multihash.Sha256(block));
            Assert.True(got is not null && got.Memory.Span.SequenceEqual(block));
        }
    }

    private static void AssertWhole(RocksStore store)
    {
        int count = 0;
        long bytes = 0;
        foreach ((Multihash hash, int length) in store.Blocks.Enumerate())
        {
            using IMemoryOwner<byte>? got = store.Blocks.Get(hash);
            Assert.True(got!.Memory.Length == length && hash.Verifies(got.Memory.Span));
            count++;
            bytes += length;
        }

        StoreStatistics statistics = store.GetStatistics();
        Assert.Equal((count, bytes), (statistics.Blocks, statistics.BlockBytes));
    }

    private Process StartWriter(int first) => Process.Start(new ProcessStartInfo(
        Path.Combine(AppContext.BaseDirectory, typeof(CrashTests).Assembly.GetName().Name!))
    {
        Environment = { [CrashWriter.Variable] = $"{_folder.Path} {first}" },
        RedirectStandardOutput = true,
        RedirectStandardError = true,
    })!;
}
