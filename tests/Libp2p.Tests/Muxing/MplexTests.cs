using System.Text.Json;
using Ipcs.Libp2p.Muxing;
using Ipcs.Libp2p.Muxing.Mplex;
using Ipcs.Libp2p.Security.Noise;
using Ipcs.Multiformats;
using Ipcs.TestKit;

namespace Ipcs.Libp2p.Tests.Muxing;

/// <summary>The conformance suite, js-libp2p's frames, and behaviour of mplex only.</summary>
public sealed class MplexTests : MuxerConformance
{
    public static TheoryData<int> Frames { get; } =
        [.. Enumerable.Range(0, Vectors.Load("frame-vectors.json").GetProperty("mplex").GetArrayLength())];

    [Theory]
    [MemberData(nameof(Frames))]
    public void Frames_are_encoded_as_the_vectors_say(int index)
    {
        JsonElement vector = Vectors.Load("frame-vectors.json").GetProperty("mplex")[index];
        byte[] data = vector.Hex("dataHex")!;
        Span<byte> head = stackalloc byte[FrameHead.MaxLength];
        ulong id = ulong.Parse(vector.GetProperty("id").ToString());
        uint type = uint.Parse(vector.GetProperty("type").ToString());
        int n = MplexMuxer.EncodeHead(id, type, data.Length, head);
        byte[] frame = [.. head[..n], .. data];
        Assert.Equal(vector.Hex("hex"), frame);
    }

    /// <summary>Sends each vector that opens or uses a stream to a muxer, byte by byte, and checks its effect.</summary>
    [Theory]
    [MemberData(nameof(Frames))]
    public async Task Frames_are_decoded_as_the_vectors_say(int index)
    {
        JsonElement vector = Vectors.Load("frame-vectors.json").GetProperty("mplex")[index];
        ulong id = ulong.Parse(vector.GetProperty("id").ToString());
        uint type = uint.Parse(vector.GetProperty("type").ToString());
        byte[] data = vector.Hex("dataHex")!;
        (NoiseChannel stranger, NoiseChannel channel) = await Wire.ConnectNoiseAsync(Cancel);
        using (Wire.Own(stranger))
        {
            MuxerSide side = MuxerSide.Create(Create, channel, initiator: false);
            Task<string> running = side.Muxer.RunAsync();
            bool openedByUs = type is 1 or 3 or 5;
            MuxedStream? stream = null;
            if (openedByUs)
            {
                // Our ids count from 0: open enough streams to reach a small id; a frame with a large one is ignored.
                for (ulong i = 0; i <= id && id < 4; i++)
                {
                    stream = await side.Muxer.OpenAsync(flush: true, Cancel);
                }
            }
            else if (type != 0)
            {
                await stranger.WriteAsync(Frame(id, 0, "x"u8), Cancel);
                stream = await side.Inbound.Reader.ReadAsync(Cancel);
            }

            foreach (byte one in vector.Hex("hex")!)
            {
                await stranger.WriteAsync(new[] { one }, Cancel);
            }

            switch (type)
            {
                case 0:
                    Assert.Equal(id, (await side.Inbound.Reader.ReadAsync(Cancel)).Id);
                    break;
                case 1 or 2 when stream is not null:
                    byte[] got = new byte[data.Length];
                    for (int n = 0; n < got.Length;)
                    {
                        n += await stream.ReadAsync(got.AsMemory(n), Cancel);
                    }

                    Assert.Equal(data, got);
                    break;
                case 3 or 4 when stream is not null:
                    Assert.Equal(0, await stream.ReadAsync(new byte[1], Cancel));
                    break;
                case 5 or 6 when stream is not null:
                    await Assert.ThrowsAsync<StreamResetException>(async () => await stream.ReadAsync(new byte[1], Cancel));
                    break;
                default:
                    // The frame is for an unknown stream: the connection goes on.
                    await stranger.WriteAsync(Frame(99, 0, "x"u8), Cancel);
                    Assert.Equal(99u, (await side.Inbound.Reader.ReadAsync(Cancel)).Id);
                    break;
            }

            await side.Muxer.DisposeAsync();
            await running;
        }
    }

    [Fact]
    public async Task A_reader_that_is_too_slow_loses_only_its_stream()
    {
        await using MuxerPair pair = await PairAsync();
        (MuxedStream flooding, MuxedStream unread) = await pair.OpenAsync(true, Cancel);
        Task writing = Task.Run(async () => await flooding.WriteAsync(new byte[64 << 20], Cancel), Cancel);
        await UntilAsync(() => unread.IsClosed);
        await Assert.ThrowsAsync<StreamResetException>(() => writing);
        await Assert.ThrowsAsync<StreamResetException>(async () => await unread.ReadAsync(new byte[1], Cancel));
        Assert.Equal(0, pair.Listener.Muxer.BufferedBytes);
        await ExchangeAsync(pair, 1 << 20);
    }

    [Fact]
    public async Task A_reader_that_keeps_up_loses_nothing()
    {
        await using MuxerPair pair = await PairAsync();
        (MuxedStream a, MuxedStream b) = await pair.OpenAsync(true, Cancel);
        byte[] data = Xs128.Bytes("large", 24 << 20);
        Task writing = Task.Run(
            async () =>
            {
                await a.WriteAsync(data, Cancel);
                await a.CloseWriteAsync(Cancel);
            },
            Cancel);
        byte[] got = await ReadAllAsync(b);
        await writing;
        Assert.True(data.AsSpan().SequenceEqual(got));
    }

    public static TheoryData<string, string> Breaches { get; } = new()
    {
        { "0700", "flag 7" },
        { "0280808001", "longer than" },
        { "02ffffffffffffffff7f", "longer than" },
        { "ffffffffffffffffffff", "varint" },
        { "000130000130", "twice" },
    };

    [Theory]
    [MemberData(nameof(Breaches))]
    public async Task A_protocol_violation_ends_the_connection(string hex, string reason)
    {
        (NoiseChannel stranger, NoiseChannel channel) = await Wire.ConnectNoiseAsync(Cancel);
        using (Wire.Own(stranger))
        {
            MuxerSide side = MuxerSide.Create(Create, channel, initiator: false);
            Task<string> running = side.Muxer.RunAsync();
            await stranger.WriteAsync(Convert.FromHexString(hex), Cancel);
            Assert.Contains(reason, await running.WaitAsync(TimeSpan.FromSeconds(10), Cancel), StringComparison.Ordinal);
        }
    }

    private protected override Muxer Create(
        NoiseChannel channel, bool initiator, MuxerSettings settings) => new MplexMuxer(channel, initiator, settings);

    private static byte[] Frame(ulong id, uint flag, ReadOnlySpan<byte> data)
    {
        Span<byte> head = stackalloc byte[2 * Varint.MaxLength];
        return [.. head[..MplexMuxer.EncodeHead(id, flag, data.Length, head)], .. data];
    }
}
