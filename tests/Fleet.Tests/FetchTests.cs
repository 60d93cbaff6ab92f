using Ipcs.Dag;
using System.Buffers;
using Ipcs.Bitswap;
using Ipcs.Bitswap.Wire;
using Ipcs.Blockstore;
using Ipcs.Libp2p;
using Ipcs.Multiformats;
using Ipcs.TestKit;

namespace Ipcs.Fleet.Tests;

/// <summary>Fetches whose sources fail, send false data, disconnect and return, and fetches by many nodes at once.</summary>
public sealed class FetchTests
{
    private static readonly BitswapOptions Impatient = new() { NoPeerTime = TimeSpan.FromSeconds(1) };

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task An_owned_content_is_fetched_after_a_restart()
    {
        await using FleetNode one = await FleetNode.StartAsync();
        await using FleetNode two = await FleetNode.StartAsync();
        ContentRecord there = await one.AddAsync(Xs128.Bytes("restart", 4_000_000));

        // The state after a daemon was killed during a fetch: owned, incomplete, some blocks stored.
        two.Store.Commit(there with { Complete = false }, ingestRef: null);
        foreach ((Multihash hash, int _) in one.Store.Blocks.Enumerate().Take(7))
        {
            using IMemoryOwner<byte> block = one.Store.Blocks.Get(hash)!;
            two.Store.Blocks.Put(hash, block.Memory.Span);
        }

        two.Fleet.Resume();
        await two.ConnectAsync(one);
        await two.Fleet.WaitAsync(there.Digest, Cancel);
        Assert.True(two.Store.Contents.Get(there.Digest)!.Complete);

        // The resolve answer brings the root block along.
        int missing = one.Store.Blocks.Enumerate().Count() - 7;
        Assert.InRange(two.Bitswap.Statistics.BlocksReceived, missing - 1, missing);
    }

    [Theory]
    [InlineData(ContentKind.Blob)]
    [InlineData(ContentKind.Dag)]
    public async Task A_fetched_content_has_the_length_of_its_bytes_whatever_a_peer_said(ContentKind kind)
    {
        await using FleetNode one = await FleetNode.StartAsync();
        await using FleetNode two = await FleetNode.StartAsync();
        byte[] data = Xs128.Bytes("length", 700_000);
        ContentRecord content = await one.AddAsync(data);
        if (kind == ContentKind.Dag)
        {
            content = content with { Digest = new Digest(content.Root.Hash), Kind = kind };
            one.Store.Contents.Put(content);
        }

        await two.ConnectAsync(one);
        two.Store.Contents.Put(content with { Size = data.Length + 1, Complete = false, Owned = true });
        await two.Fleet.WaitAsync(content.Digest, Cancel);
        Assert.True(two.Store.Contents.Get(content.Digest) is { Complete: true } whole && whole.Size == data.Length);
    }

    [Fact]
    public async Task A_fetch_without_a_source_fails_and_continues_when_one_connects()
    {
        await using FleetNode one = await FleetNode.StartAsync();
        await using FleetNode two = await FleetNode.StartAsync(options: Impatient);
        ContentRecord there = await one.AddAsync(Xs128.Bytes("lost", 2_000_000));
        two.Store.Commit(there with { Complete = false }, ingestRef: null);
        ContentUnavailableException e = await Assert.ThrowsAsync<ContentUnavailableException>(
            () => two.Fleet.WaitAsync(there.Digest, Cancel));
        Assert.Contains(there.Digest.ToString(), e.Message, StringComparison.Ordinal);

        // No caller asks again: the connection of the peer restarts the fetch.
        await two.ConnectAsync(one);
        while (!two.Store.Contents.Get(there.Digest)!.Complete)
        {
            await Task.Delay(5, Cancel);
        }
    }

    [Fact]
    public async Task A_peer_that_sends_false_blocks_is_banned_and_the_others_send_them()
    {
        await using FleetNode honest = await FleetNode.StartAsync();
        await using FleetNode liar = await FleetNode.StartAsync();
        await using FleetNode two = await FleetNode.StartAsync();
        byte[] bytes = Xs128.Bytes("liar", 6_000_000);
        ContentRecord there = await honest.AddAsync(bytes);
        await liar.AddAsync(bytes);
        liar.Host.Handle("/ipcs/bitswap/1.0.0", (stream, cancel) => AnswerFalselyAsync(liar, stream, cancel));

        // It is the only peer at first, so that blocks are requested from it.
        await two.ConnectAsync(liar);
        await two.TakeAsync(there.Digest);
        while (!two.Bitswap.IsBanned(liar.Host.LocalPeer))
        {
            await Task.Delay(5, Cancel);
        }

        await two.ConnectAsync(honest);
        while (!two.Store.Contents.Get(there.Digest)!.Complete)
        {
            await Task.Delay(5, Cancel);
        }

        Assert.False(two.Bitswap.IsBanned(honest.Host.LocalPeer));
    }

    [Fact]
    public async Task A_false_root_is_detected_by_the_hash_of_the_whole_content()
    {
        await using FleetNode honest = await FleetNode.StartAsync();
        await using FleetNode liar = await FleetNode.StartAsync();
        await using FleetNode two = await FleetNode.StartAsync(options: Impatient);
        ContentRecord there = await honest.AddAsync(Xs128.Bytes("true", 1_500_000));
        ContentRecord other = await liar.AddAsync(Xs128.Bytes("other", 1_500_000));
        liar.Store.Commit(there with { Root = other.Root }, ingestRef: null);
        await two.ConnectAsync(liar);
        await two.TakeAsync(there.Digest);
        await Assert.ThrowsAsync<ContentUnavailableException>(() => two.Fleet.WaitAsync(there.Digest, Cancel));
        Assert.True(two.Bitswap.IsBanned(liar.Host.LocalPeer));
        Assert.False(two.Store.Contents.Get(there.Digest)!.Complete);
        await two.ConnectAsync(honest);
        while (!two.Store.Contents.Get(there.Digest)!.Complete)
        {
            await Task.Delay(5, Cancel);
        }

        Assert.Equal(there.Root, two.Store.Contents.Get(there.Digest)!.Root);
    }

    [Fact]
    public async Task Receivers_exchange_blocks_with_each_other()
    {
        const int Receivers = 4;
        await using FleetNode seeder = await FleetNode.StartAsync(options: new BitswapOptions { UploadRate = 12_000_000 });
        ContentRecord there = await seeder.AddAsync(Xs128.Bytes("trade", 20_000_000));
        FleetNode[] nodes = await Task.WhenAll(Enumerable.Range(0, Receivers).Select(_ => FleetNode.StartAsync()));
        try
        {
            for (int i = 0; i < nodes.Length; i++)
            {
                await nodes[i].ConnectAsync(seeder);
                foreach (FleetNode other in nodes[..i])
                {
                    await nodes[i].ConnectAsync(other);
                }
            }

            await Task.WhenAll(nodes.Select(async n =>
            {
                await n.TakeAsync(there.Digest);
                await n.Fleet.WaitAsync(there.Digest, Cancel);
            }));
            double times = (double)seeder.Bitswap.Statistics.BytesSent / there.Size;
            double duplicates = nodes.Sum(n => (double)n.Bitswap.Statistics.DuplicateBytes) / there.Size / Receivers;
            TestContext.Current.SendDiagnosticMessage(
                $"{Receivers} receivers: the seeder sent {times:F2} times the content; {duplicates:P2} duplicates");
            Assert.InRange(times, 1, Receivers - 1);
        }
        finally
        {
            foreach (FleetNode node in nodes)
            {
                await node.DisposeAsync();
            }
        }
    }

    [Fact]
    public async Task A_dag_is_read_while_it_is_fetched()
    {
        await using FleetNode one = await FleetNode.StartAsync(options: new BitswapOptions { UploadRate = 4_000_000 });
        await using FleetNode two = await FleetNode.StartAsync();
        byte[] bytes = Xs128.Bytes("dag", 8_000_000);
        ContentRecord blob = await one.AddAsync(bytes);
        var digest = new Digest(blob.Root.Hash);
        await two.ConnectAsync(one);

        // The root has no record there: it is offered as complete once its DAG has been walked.
        while (await two.Fleet.LocateAsync(digest, Cancel) is not [(_, { Complete: true })])
        {
            await Task.Delay(5, Cancel);
        }

        ContentRecord taken = await two.TakeAsync(digest);
        Assert.Equal(ContentKind.Dag, taken.Kind);
        await using var source = (BitswapSource)two.Fleet.SourceFor(taken);
        await using Dag.Read.DagReader reader = await Dag.Read.DagReader.OpenAsync(taken.Root, source, Cancel);
        byte[] first = new byte[100_000];
        Assert.Equal(first.Length, await reader.ReadAsync(5_000_000, first, Cancel));
        Assert.Equal(bytes[5_000_000..5_100_000], first);
        Assert.False(two.Store.Contents.Get(digest)!.Complete);
        await two.Fleet.WaitAsync(digest, Cancel);
        Assert.True(two.Store.Contents.Get(digest)!.Complete);
    }

    /// <summary>Answers every want with a block in which one bit is wrong.</summary>
    private static async Task AnswerFalselyAsync(FleetNode liar, PeerStream stream, CancellationToken cancel)
    {
        await using PeerStream replies = await liar.Host.OpenStreamAsync(stream.RemotePeer, ["/ipfs/bitswap/1.2.0"], cancel);
        var reader = new LengthPrefixedReader(stream, BitswapMessage.MaxLength);
        while (await reader.ReadAsync(cancel) is { } memory)
        {
            using (memory)
            {
                Assert.True(BitswapMessage.TryDecode(memory.Memory, out BitswapMessage? message));
                foreach (WantEntry want in message!.Wants.Where(w => !w.Cancel))
                {
                    using IMemoryOwner<byte> block = liar.Store.Blocks.Get(want.Cid.Hash)!;
                    byte[] wrong = block.Memory.ToArray();
                    wrong[^1] ^= 1;
                    var reply = new BitswapMessage();
                    reply.Blocks.Add(new BlockEntry(want.Cid.Version, want.Cid.Codec, want.Cid.Hash.Code, wrong));
                    await replies.WriteMessageAsync(reply.Encode(), cancel);
                }
            }
        }
    }
}
