using System.Buffers;
using Ipcs.Bitswap.Wire;
using Ipcs.Blockstore.Compression;
using Ipcs.Libp2p;
using Ipcs.Multiformats;
using Ipcs.TestKit;
using ZstdSharp;

namespace Ipcs.Bitswap.Tests;

/// <summary>Blocks stored and sent as zstd frames, over real hosts on loopback.</summary>
public sealed class CompressedBlockTests
{
    private const string CompressedProtocol = "/ipcs/bitswap/1.0.0";

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("mplex")]
    [InlineData("yamux")]
    public async Task Compressed_blocks_are_sent_and_stored_compressed(string muxer)
    {
        await using Node seeder = await Node.StartAsync(muxer);
        await using Node leecher = await Node.StartAsync(muxer);
        await leecher.ConnectAsync(seeder);
        Cid[] compressed = [.. Enumerable.Range(0, 100).Select(i => AddCompressed(seeder, HalfZeros($"p{i}", 20_000)))];
        Cid[] plain = seeder.Add("plain", count: 20, length: 30_000);
        await leecher.FetchAsync([.. compressed, .. plain], [seeder.Host.LocalPeer]);

        long frames = compressed.Sum(c => FrameOf(seeder, c).LongLength);
        Assert.Equal((120, 100), (leecher.Bitswap.Statistics.BlocksReceived, leecher.Bitswap.Statistics.CompressedReceived));
        Assert.InRange(frames, 1_000_000, 1_010_000);
        Assert.Equal(frames + 600_000, leecher.Bitswap.Statistics.BytesReceived);
        Assert.Equal(frames + 600_000, leecher.Bitswap.LedgerOf(seeder.Host.LocalPeer)!.Received);
        Assert.Equal(frames + 600_000, seeder.Bitswap.LedgerOf(leecher.Host.LocalPeer)!.Sent);
        Assert.All(compressed, c => Assert.Equal(FrameOf(seeder, c), FrameOf(leecher, c)));
        Assert.All(plain, c => Assert.Null(leecher.Store.Blocks.GetCompressed(c.Hash)));
    }

    [Fact]
    public async Task Blocks_over_the_decompressed_bound_are_sent_in_several_messages()
    {
        await using Node seeder = await Node.StartAsync("yamux");
        await using Node leecher = await Node.StartAsync("yamux");
        await leecher.ConnectAsync(seeder);
        Cid[] cids = [.. Enumerable.Range(0, 24).Select(i =>
        {
            // 48 MiB of blocks, whose frames have some hundred bytes each.
            byte[] block = new byte[2 << 20];
            block[0] = (byte)i;
            return AddCompressed(seeder, block);
        })];
        await leecher.FetchAsync(cids, [seeder.Host.LocalPeer]);
        Assert.Equal(24, leecher.Bitswap.Statistics.CompressedReceived);
    }

    [Fact]
    public async Task A_peer_without_the_compressed_protocol_gets_plain_blocks()
    {
        await using Node plain = await Node.StartAsync("yamux", bitswap: false);
        await using Node ours = await Node.StartAsync("yamux");
        byte[] block = HalfZeros("for all", 50_000);
        Cid cid = AddCompressed(ours, block);
        var got = new TaskCompletionSource<(string Protocol, byte[] Message)>(TaskCreationOptions.RunContinuationsAsynchronously);
        plain.Host.Handle("/ipfs/bitswap/1.2.0", async (s, c) =>
        {
            using IMemoryOwner<byte>? m = await s.ReadMessageAsync(1 << 20, c);
            got.TrySetResult((s.Protocol, m!.Memory.ToArray()));
        });
        await plain.ConnectAsync(ours);
        await using PeerStream stream = await plain.Host.OpenStreamAsync(ours.Host.LocalPeer, ["/ipfs/bitswap/1.2.0"], Cancel);
        var want = new BitswapMessage();
        want.Wants.Add(new WantEntry(cid, 1, Cancel: false, WantHave: false, SendDontHave: false));
        await stream.WriteMessageAsync(want.Encode(), Cancel);
        (string protocol, byte[] message) = await got.Task.WaitAsync(TimeSpan.FromSeconds(20), Cancel);
        Assert.Equal("/ipfs/bitswap/1.2.0", protocol);
        Assert.True(BitswapMessage.TryDecode(message, out BitswapMessage? decoded, compressed: true));
        BlockEntry entry = Assert.Single(decoded!.Blocks);
        Assert.False(entry.Compressed);
        Assert.Equal(block, entry.Data.ToArray());
    }

    [Theory]
    [InlineData("noise")]
    [InlineData("cut off")]
    [InlineData("a bomb")]
    [InlineData("of another block")]
    [InlineData("with a false length")]
    [InlineData("longer than its block")]
    public async Task A_false_frame_gets_its_sender_banned(string how)
    {
        await using Node a = await Node.StartAsync("yamux");
        await using Node b = await Node.StartAsync("yamux");
        byte[] block = HalfZeros("wanted", 1000);
        await AskAsync(a, b, block);
        byte[] frame = Wrap(block);
        byte[] sent = how switch
        {
            "noise" => Xs128.Bytes("noise", 500),
            "cut off" => frame[..^1],
            "a bomb" => Wrap(new byte[64 << 20]),
            "of another block" => Wrap(HalfZeros("another", 1000)),
            "with a false length" => [.. frame[..5], (byte)(frame[5] + 1), .. frame[6..]],
            _ => [.. frame, .. new byte[] { 0x50, 0x2a, 0x4d, 0x18, 0xe8, 0x03, 0, 0 }, .. new byte[1000]],
        };
        await SendAsync(b, a, [sent]);
        Assert.True(a.Bitswap.IsBanned(b.Host.LocalPeer));
        Assert.False(a.Store.Blocks.Has(Multihash.Sha256(block)));
        Assert.Empty(a.Store.Blocks.Enumerate());
    }

    [Fact]
    public async Task A_message_over_the_decompressed_bound_gets_its_sender_banned()
    {
        await using Node a = await Node.StartAsync("yamux");
        await using Node b = await Node.StartAsync("yamux");
        byte[] block = new byte[2 << 20];
        await AskAsync(a, b, block);
        byte[] frame = Wrap(block);
        await SendAsync(b, a, [.. Enumerable.Repeat(frame, 17)]);
        Assert.True(a.Bitswap.IsBanned(b.Host.LocalPeer));

        // The first frame was wanted; those after it, up to the bound, count as duplicates.
        Assert.Equal((1, 15), (a.Bitswap.Statistics.BlocksReceived, a.Bitswap.Statistics.DuplicateBlocks));
    }

    [Fact]
    public async Task The_decompressed_bound_counts_all_pieces_of_a_message()
    {
        // Each of two pieces has 20 MiB after decompression; the filler between them makes them two.
        BlockEntry compressed = new(1, Multicodec.Raw, Multihash.Sha2_256, Wrap(new byte[2 << 20]), Compressed: true);
        BlockEntry filler = new(1, Multicodec.Raw, Multihash.Sha2_256, new byte[MessagePiece.UsualLength - 100_000]);
        var message = new BitswapMessage();
        message.Blocks.AddRange([.. Enumerable.Repeat(compressed, 10), filler, filler, .. Enumerable.Repeat(compressed, 10)]);
        byte[] encoded = message.Encode();
        byte[] wire = new byte[Varint.MaxLength + encoded.Length];
        int head = Varint.Write(wire, (ulong)encoded.Length);
        encoded.CopyTo(wire, head);

        // The count starts again with the second message.
        wire = [.. wire[..(head + encoded.Length)], .. wire[..(head + encoded.Length)]];
        var reader = new MessageReader(new BytesStream(wire, 1 << 20));
        var before = new List<(bool Begins, long Decompressed)>();
        while (await reader.ReadAsync(Cancel) is { } piece)
        {
            before.Add((piece.Begins, piece.Message.DecompressedBefore));
            piece.Dispose();
        }

        Assert.Equal([(true, 0), (false, 20 << 20), (true, 0), (false, 20 << 20)], before);
        await using Node a = await Node.StartAsync("yamux");
        await using Node b = await Node.StartAsync("yamux");
        await AskAsync(a, b, new byte[2 << 20]);
        await AskAsync(a, b, filler.Data.ToArray());
        await SendAsync(b, a, message);
        Assert.True(a.Bitswap.IsBanned(b.Host.LocalPeer));
    }

    /// <summary>Makes <paramref name="a"/> request a block from <paramref name="b"/>, which does not have it.</summary>
    private static async Task AskAsync(Node a, Node b, byte[] block)
    {
        await a.ConnectAsync(b);
        Cid cid = Cid.V1(Multicodec.Raw, Multihash.Sha256(block));
        a.Bitswap.CreateSession([b.Host.LocalPeer]).Prefetch([cid]);
        while (!b.Bitswap.WantlistOf(a.Host.LocalPeer).Contains(cid))
        {
            await Task.Delay(1, Cancel);
        }
    }

    /// <summary>Sends frames in one message and waits until the peer disconnects.</summary>
    private static Task SendAsync(Node from, Node to, byte[][] frames)
    {
        var message = new BitswapMessage();
        message.Blocks.AddRange(frames.Select(f => new BlockEntry(1, Multicodec.Raw, Multihash.Sha2_256, f, Compressed: true)));
        return SendAsync(from, to, message);
    }

    private static async Task SendAsync(Node from, Node to, BitswapMessage message)
    {
        var gone = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        to.Host.PeerDisconnected += _ => gone.TrySetResult();
        await using PeerStream stream = await from.Host.OpenStreamAsync(to.Host.LocalPeer, [CompressedProtocol], Cancel);
        await stream.WriteMessageAsync(message.Encode(), Cancel);
        await gone.Task.WaitAsync(TimeSpan.FromSeconds(10), Cancel);
    }

    private static byte[] HalfZeros(string seed, int length) => [.. Xs128.Bytes(seed, length / 2), .. new byte[length - (length / 2)]];

    private static byte[] Wrap(byte[] block)
    {
        using var compressor = new Compressor(3);
        return compressor.Wrap(block).ToArray();
    }

    private static Cid AddCompressed(Node node, byte[] block)
    {
        Multihash hash = Multihash.Sha256(block);
        using IMemoryOwner<byte> frame = CompressedBlock.TryCompress(block)!;
        node.Store.Blocks.PutCompressed(hash, frame.Memory.Span);
        return Cid.V1(Multicodec.Raw, hash);
    }

    private static byte[] FrameOf(Node node, Cid cid)
    {
        using IMemoryOwner<byte>? frame = node.Store.Blocks.GetCompressed(cid.Hash);
        return frame!.Memory.ToArray();
    }
}
