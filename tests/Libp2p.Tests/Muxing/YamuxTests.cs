using System.Text.Json;
using Ipcs.Libp2p.Muxing;
using Ipcs.Libp2p.Muxing.Yamux;
using Ipcs.Libp2p.Security.Noise;
using Ipcs.TestKit;

namespace Ipcs.Libp2p.Tests.Muxing;

/// <summary>The conformance suite, js-libp2p's headers, and behaviour of yamux only.</summary>
public sealed class YamuxTests : MuxerConformance
{
    public static TheoryData<int> Headers { get; } =
        [.. Enumerable.Range(0, Vectors.Load("frame-vectors.json").GetProperty("yamux").GetArrayLength())];

    [Theory]
    [MemberData(nameof(Headers))]
    public void Headers_equal_the_vectors(int index)
    {
        JsonElement vector = Vectors.Load("frame-vectors.json").GetProperty("yamux")[index];
        var header = new YamuxHeader(
            Enum.Parse<YamuxType>(vector.Text("type")!),
            (YamuxFlags)vector.GetProperty("flags").GetInt32(),
            vector.GetProperty("streamID").GetUInt32(),
            vector.GetProperty("length").GetUInt32());
        byte[] expected = vector.Hex("headerHex")!;
        byte[] encoded = new byte[YamuxHeader.Size];
        Assert.Equal(YamuxHeader.Size, header.Encode(encoded));
        Assert.Equal(expected, encoded);
        Assert.True(YamuxHeader.TryDecode(expected, out YamuxHeader decoded));
        Assert.Equal(header, decoded);
    }

    [Fact]
    public async Task A_writer_waits_for_its_reader()
    {
        await using MuxerPair pair = await PairAsync();
        (MuxedStream a, MuxedStream b) = await pair.OpenAsync(true, Cancel);
        Task writing = a.WriteAsync(new byte[300_000], Cancel).AsTask();
        await UntilAsync(() => b.Buffered == ReceiveWindow.Start);
        await ExchangeAsync(pair, 100_000);
        Assert.False(writing.IsCompleted);
        Assert.Equal(ReceiveWindow.Start, b.Buffered);
        byte[] buffer = new byte[300_000];
        for (int n = 0; n < buffer.Length;)
        {
            n += await b.ReadAsync(buffer, Cancel);
        }

        await writing;
    }

    [Fact]
    public void A_window_grows_up_to_its_limit()
    {
        var window = new ReceiveWindow();
        long granted = 0, read = 0;
        for (int i = 0; i < 1000; i++)
        {
            Assert.True(window.TrySpend(100_000));
            granted += window.Read(100_000);
            read += 100_000;
        }

        Assert.InRange(granted - read, ReceiveWindow.Max / 2 - ReceiveWindow.Start, ReceiveWindow.Max - ReceiveWindow.Start);
        Assert.False(window.TrySpend(ReceiveWindow.Max + 1));
    }

    [Fact]
    public async Task Pings_are_answered()
    {
        await WithStrangerAsync(async (stranger, _) =>
        {
            await SendAsync(stranger, new YamuxHeader(YamuxType.Ping, YamuxFlags.Syn, 0, 4711));
            Assert.Equal(new YamuxHeader(YamuxType.Ping, YamuxFlags.Ack, 0, 4711), await ReceiveAsync(stranger));
        });
    }

    [Fact]
    public async Task A_stream_may_be_opened_by_data_and_closed_at_once()
    {
        await WithStrangerAsync(async (stranger, side) =>
        {
            await SendAsync(stranger, new YamuxHeader(YamuxType.Data, YamuxFlags.Syn | YamuxFlags.Fin, 1, 3), 1, 2, 3);
            MuxedStream stream = await side.Inbound.Reader.ReadAsync(Cancel);
            Assert.Equal(new byte[] { 1, 2, 3 }, await ReadAllAsync(stream));
            Assert.Equal(new YamuxHeader(YamuxType.WindowUpdate, YamuxFlags.Ack, 1, 0), await ReceiveAsync(stranger));
        });
    }

    [Fact]
    public async Task After_go_away_open_streams_go_on_and_new_ones_are_refused()
    {
        await WithStrangerAsync(async (stranger, side) =>
        {
            await SendAsync(stranger, new YamuxHeader(YamuxType.WindowUpdate, YamuxFlags.Syn, 1, 0));
            MuxedStream stream = await side.Inbound.Reader.ReadAsync(Cancel);
            await SendAsync(stranger, new YamuxHeader(YamuxType.GoAway, YamuxFlags.None, 0, 0));
            await SendAsync(stranger, new YamuxHeader(YamuxType.Data, YamuxFlags.None, 1, 1), 9);
            Assert.Equal(1, await stream.ReadAsync(new byte[1], Cancel));
            await Assert.ThrowsAsync<ConnectException>(async () => await side.Muxer.OpenAsync(flush: true, Cancel));
        });
    }

    [Fact]
    public async Task A_peer_that_does_not_read_the_answers_to_its_pings_is_disconnected()
    {
        await WithStrangerAsync(
            async (stranger, side) =>
            {
                byte[] pings = new byte[YamuxHeader.Size * 5000];
                for (int i = 0; i < 5000; i++)
                {
                    new YamuxHeader(YamuxType.Ping, YamuxFlags.Syn, 0, (uint)i).Encode(pings.AsSpan(i * YamuxHeader.Size));
                }

                for (int i = 0; i < 10_000 && !side.Muxer.Closed.IsCancellationRequested; i++)
                {
                    await stranger.WriteAsync(pings, Cancel);
                }
            },
            "does not read");
    }

    public static TheoryData<string, string> Breaches { get; } = new()
    {
        { "010000000000000100000000", "version" },
        { "000400000000000100000000", "type" },
        { "000000010000000200000000", "not one of its ids" },
        { "000000010000000000000000", "not one of its ids" },
        { "00000000000000010fffffff", "longer than" },
        { "000000010000000100040001", "overruns" },
        { "000100010000000100000000" + "000100010000000100000000", "twice" },
        { "000100010000000100000000" + "0001000000000001ffffffff", "more than a window" },
        { "000300000000000000000001", "error 1" },
    };

    [Theory]
    [MemberData(nameof(Breaches))]
    public async Task A_protocol_violation_ends_the_connection(string hex, string reason) =>
        await WithStrangerAsync((stranger, _) => stranger.WriteAsync(Convert.FromHexString(hex), Cancel).AsTask(), reason);

    private protected override Muxer Create(
        NoiseChannel channel, bool initiator, MuxerSettings settings) => new YamuxMuxer(channel, initiator, settings);

    private static Task SendAsync(NoiseChannel stranger, YamuxHeader header, params byte[] data)
    {
        byte[] frame = new byte[YamuxHeader.Size + data.Length];
        header.Encode(frame);
        data.CopyTo(frame, YamuxHeader.Size);
        return stranger.WriteAsync(frame, Cancel).AsTask();
    }

    private static async Task<YamuxHeader> ReceiveAsync(NoiseChannel stranger)
    {
        byte[] bytes = new byte[YamuxHeader.Size];
        for (int n = 0; n < bytes.Length;)
        {
            n += await stranger.ReadAsync(bytes.AsMemory(n), Cancel);
        }

        Assert.True(YamuxHeader.TryDecode(bytes, out YamuxHeader header));
        return header;
    }

    /// <summary>
    /// Runs a muxer against a peer that sends arbitrary bytes. With a reason, the muxer must end by itself for that reason.
    /// </summary>
    private async Task WithStrangerAsync(Func<NoiseChannel, MuxerSide, Task> play, string? reason = null)
    {
        (NoiseChannel stranger, NoiseChannel channel) = await Wire.ConnectNoiseAsync(Cancel);
        using (Wire.Own(stranger))
        {
            MuxerSide side = MuxerSide.Create(Create, channel, initiator: false);
            Task<string> running = side.Muxer.RunAsync();
            try
            {
                await play(stranger, side);
            }
            catch (Exception e) when (reason is not null && e is IOException or System.Net.Sockets.SocketException)
            {
                // The muxer has closed the connection during the write.
            }

            if (reason is null)
            {
                await side.Muxer.DisposeAsync();
            }

            Assert.Contains(reason ?? "", await running.WaitAsync(TimeSpan.FromSeconds(10), Cancel), StringComparison.Ordinal);
        }
    }
}
