using Ipcs.Libp2p.Muxing;
using Ipcs.Libp2p.Security.Noise;
using Ipcs.Libp2p.Transport;
using Ipcs.TestKit;

namespace Ipcs.Libp2p.Tests.Muxing;

/// <summary>The tests that every muxer must pass.</summary>
public abstract class MuxerConformance
{
    private protected static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Bytes_pass_in_both_directions(bool byDialler)
    {
        await using MuxerPair pair = await PairAsync();
        (MuxedStream a, MuxedStream b) = await pair.OpenAsync(byDialler, Cancel);
        foreach ((MuxedStream from, MuxedStream to) in new[] { (a, b), (b, a) })
        {
            foreach (int size in new[] { 1, 511, 65_519, 65_520, 300_000, 1_000_000 })
            {
                byte[] data = Xs128.Bytes($"{size}", size);
                Task writing = from.WriteAsync(data, Cancel).AsTask();
                byte[] got = new byte[size];
                await to.ReadExactlyAsync(got, Cancel);
                await writing;
                Assert.Equal(data, got);
            }
        }
    }

    [Fact]
    public async Task Closing_one_side_leaves_the_other()
    {
        await using MuxerPair pair = await PairAsync();
        (MuxedStream a, MuxedStream b) = await pair.OpenAsync(true, Cancel);
        await a.WriteAsync("last words"u8.ToArray(), Cancel);
        await a.CloseWriteAsync(Cancel);
        byte[] got = new byte[10];
        await b.ReadExactlyAsync(got, Cancel);
        Assert.Equal("last words"u8.ToArray(), got);
        Assert.Equal(0, await b.ReadAsync(got, Cancel));
        Assert.Equal(0, await b.ReadAsync(got, Cancel));

        byte[] answer = Xs128.Bytes("answer", 700_000);
        Task writing = b.WriteAsync(answer, Cancel).AsTask();
        byte[] back = new byte[answer.Length];
        await a.ReadExactlyAsync(back, Cancel);
        await writing;
        Assert.Equal(answer, back);
        await b.CloseWriteAsync(Cancel);
        Assert.Equal(0, await a.ReadAsync(got, Cancel));
        await UntilAsync(() => pair.Dialler.Muxer.StreamCount == 0 && pair.Listener.Muxer.StreamCount == 0);
    }

    [Fact]
    public async Task Writing_after_closing_is_an_error()
    {
        await using MuxerPair pair = await PairAsync();
        (MuxedStream a, _) = await pair.OpenAsync(true, Cancel);
        await a.CloseWriteAsync(Cancel);
        await a.CloseWriteAsync(Cancel);
        await Assert.ThrowsAsync<StreamResetException>(async () => await a.WriteAsync(new byte[1], Cancel));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_reset_ends_both_directions_at_the_other_side(bool byOpener)
    {
        await using MuxerPair pair = await PairAsync();
        (MuxedStream a, MuxedStream b) = await pair.OpenAsync(true, Cancel);
        (MuxedStream resetting, MuxedStream other) = byOpener ? (a, b) : (b, a);
        Task<int> waiting = other.ReadAsync(new byte[1], Cancel).AsTask();
        resetting.Reset();
        await Assert.ThrowsAsync<StreamResetException>(() => waiting);
        await Assert.ThrowsAsync<StreamResetException>(async () => await other.WriteAsync(new byte[1], Cancel));
        await Assert.ThrowsAsync<StreamResetException>(async () => await resetting.ReadAsync(new byte[1], Cancel));
        await Assert.ThrowsAsync<StreamResetException>(async () => await resetting.WriteAsync(new byte[1], Cancel));
        Assert.True(other.ResetToken.IsCancellationRequested);
        await UntilAsync(() => pair.Dialler.Muxer.StreamCount == 0 && pair.Listener.Muxer.StreamCount == 0);
        await ExchangeAsync(pair, 1000);
    }

    [Fact]
    public async Task A_cancelled_read_can_be_repeated()
    {
        await using MuxerPair pair = await PairAsync();
        (MuxedStream a, MuxedStream b) = await pair.OpenAsync(true, Cancel);
        using var stop = new CancellationTokenSource();
        Task<int> waiting = b.ReadAsync(new byte[10], stop.Token).AsTask();
        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => waiting);
        await a.WriteAsync(new byte[] { 7 }, Cancel);
        byte[] got = new byte[10];
        Assert.Equal(1, await b.ReadAsync(got, Cancel));
        Assert.Equal(7, got[0]);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task ReadFully_fills_the_buffer_from_queued_and_later_bytes(bool before)
    {
        await using MuxerPair pair = await PairAsync();
        (MuxedStream a, MuxedStream b) = await pair.OpenAsync(true, Cancel);

        // More than any window: bytes that go directly to a waiting reader must be granted again, too.
        byte[] data = Xs128.Bytes("whole", 20 << 20);
        byte[] got = new byte[data.Length];
        await a.WriteAsync(data.AsMemory(0, 1000), Cancel);
        if (before)
        {
            await UntilAsync(() => b.Buffered == 1000);
        }

        Task<int> reading = b.ReadFullyAsync(got, Cancel).AsTask();
        await a.WriteAsync(data.AsMemory(1000, data.Length - 1001), Cancel);
        Assert.False(reading.IsCompleted);
        await a.WriteAsync(data.AsMemory(data.Length - 1), Cancel);
        Assert.Equal(data.Length, await reading);
        Assert.Equal(data, got);
        await ExchangeAsync(pair, 1000);
    }

    [Fact]
    public async Task ReadFully_ends_early_with_its_stream()
    {
        await using MuxerPair pair = await PairAsync();
        (MuxedStream a, MuxedStream b) = await pair.OpenAsync(true, Cancel);
        byte[] got = new byte[100];
        Task<int> reading = b.ReadFullyAsync(got, Cancel).AsTask();
        await a.WriteAsync("only this"u8.ToArray(), Cancel);
        await a.CloseWriteAsync(Cancel);
        Assert.Equal(9, await reading);
        Assert.Equal("only this"u8.ToArray(), got[..9]);
        Assert.Equal(0, await b.ReadFullyAsync(got, Cancel));

        (a, b) = await pair.OpenAsync(true, Cancel);
        reading = b.ReadFullyAsync(got, Cancel).AsTask();
        await a.WriteAsync("some"u8.ToArray(), Cancel);
        a.Reset();
        await Assert.ThrowsAsync<StreamResetException>(() => reading);

        (a, b) = await pair.OpenAsync(true, Cancel);
        using var stop = new CancellationTokenSource();
        reading = b.ReadFullyAsync(got, stop.Token).AsTask();
        await a.WriteAsync("some"u8.ToArray(), Cancel);
        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => reading);
        b.Reset();
        await ExchangeAsync(pair, 1000);
    }

    [Fact]
    public async Task A_slow_reader_does_not_slow_other_streams()
    {
        await using MuxerPair pair = await PairAsync();
        (MuxedStream slow, MuxedStream reader) = await pair.OpenAsync(true, Cancel);
        byte[] data = Xs128.Bytes("slow", 4 << 20);
        Task writing = slow.WriteAsync(data, Cancel).AsTask();
        for (int i = 0; i < 4; i++)
        {
            await ExchangeAsync(pair, 1 << 20);
        }

        byte[] got = new byte[data.Length];
        await reader.ReadExactlyAsync(got, Cancel);
        await writing;
        Assert.Equal(data, got);
    }

    [Fact]
    public async Task Many_streams_at_once_keep_their_bytes_apart()
    {
        await using MuxerPair pair = await PairAsync();
        await Task.WhenAll(Enumerable.Range(0, 200).Select(async i =>
        {
            MuxedStream stream = await (i % 2 == 0 ? pair.Dialler : pair.Listener).Muxer.OpenAsync(flush: true, Cancel);
            byte[] data = Xs128.Bytes($"{i}", 1 + (i * 997 % 90_000));
            Task writing = Task.Run(
                async () =>
                {
                    await stream.WriteAsync(data, Cancel);
                    await stream.CloseWriteAsync(Cancel);
                },
                Cancel);
            Task<byte[]> echoed = ReadAllAsync(stream);
            MuxedStream accepted = await (i % 2 == 0 ? pair.Listener : pair.Dialler).Inbound.Reader.ReadAsync(Cancel);
            await accepted.WriteAsync(await ReadAllAsync(accepted), Cancel);
            await accepted.CloseWriteAsync(Cancel);
            await writing;
            Assert.Equal(data, await echoed);
        }));
        await UntilAsync(() => pair.Dialler.Muxer.StreamCount == 0 && pair.Listener.Muxer.StreamCount == 0);
    }

    [Fact]
    public async Task Streams_over_the_limit_are_reset_and_the_others_stay()
    {
        await using MuxerPair pair = await PairAsync(maxInbound: 4);
        var streams = new List<(MuxedStream, MuxedStream)>();
        for (int i = 0; i < 4; i++)
        {
            streams.Add(await pair.OpenAsync(true, Cancel));
        }

        MuxedStream fifth = await pair.Dialler.Muxer.OpenAsync(flush: true, Cancel);
        await Assert.ThrowsAsync<StreamResetException>(async () => await fifth.ReadAsync(new byte[1], Cancel));
        foreach ((MuxedStream a, MuxedStream b) in streams)
        {
            await a.WriteAsync(new byte[] { 1 }, Cancel);
            Assert.Equal(1, await b.ReadAsync(new byte[1], Cancel));
        }

        // Another stream may be opened when one is closed and its handler has ended.
        streams[0].Item1.Reset();
        await UntilAsync(() => pair.Listener.Muxer.StreamCount == 3);
        streams[0].Item2.HandlerEnded();
        await pair.OpenAsync(true, Cancel);
    }

    [Fact]
    public async Task A_reset_stream_is_counted_until_its_handler_ends()
    {
        await using MuxerPair pair = await PairAsync(maxInbound: 4);
        for (int i = 0; i < 100; i++)
        {
            MuxedStream stream = await pair.Dialler.Muxer.OpenAsync(flush: true, Cancel);
            stream.Reset();
        }

        // The listener reads the frames in its own time.
        int handled = 0;
        await UntilAsync(() =>
        {
            while (pair.Listener.Inbound.Reader.TryRead(out _))
            {
                handled++;
            }

            return handled >= 4;
        });
        await pair.Listener.Muxer.OpenAsync(flush: true, Cancel);
        await pair.Dialler.Inbound.Reader.ReadAsync(Cancel);
        Assert.Equal(4, handled);
        Assert.False(pair.Listener.Inbound.Reader.TryRead(out _));
    }

    [Fact]
    public async Task The_end_of_the_connection_ends_its_streams_and_frees_their_memory()
    {
        var memory = new ResourceLimit(64 << 20);
        await using MuxerPair pair = await PairAsync(memory: memory);
        (MuxedStream a, MuxedStream b) = await pair.OpenAsync(true, Cancel);
        await a.WriteAsync(new byte[100_000], Cancel);
        await UntilAsync(() => b.Buffered == 100_000);
        Assert.True(memory.Used >= 100_000);
        await pair.Dialler.Muxer.DisposeAsync();
        await Assert.ThrowsAsync<StreamResetException>(async () => await a.ReadAsync(new byte[1], Cancel));
        await UntilAsync(() => pair.Listener.Muxer.Closed.IsCancellationRequested && memory.Used == 0);
        await Assert.ThrowsAsync<StreamResetException>(async () => await b.ReadAsync(new byte[1], Cancel));
        await Assert.ThrowsAsync<ConnectException>(async () => await pair.Listener.Muxer.OpenAsync(flush: true, Cancel));
    }

    [Fact]
    public async Task Bytes_written_before_the_connection_is_closed_still_arrive()
    {
        await using MuxerPair pair = await PairAsync();
        (MuxedStream a, MuxedStream b) = await pair.OpenAsync(true, Cancel);
        byte[] data = Xs128.Bytes("last", 200_000);
        Task<byte[]> reading = ReadAllAsync(b);
        await a.WriteAsync(data, Cancel);
        await a.CloseWriteAsync(Cancel);
        await pair.Dialler.Muxer.DisposeAsync();
        Assert.Equal(data, await reading);
    }

    [Fact]
    public async Task A_stream_over_the_memory_limit_is_reset()
    {
        var memory = new ResourceLimit(1 << 20);
        await using MuxerPair pair = await PairAsync(memory: memory);
        var greedy = new List<MuxedStream>();
        var writing = new List<Task>();
        for (int i = 0; i < 20; i++)
        {
            (MuxedStream a, _) = await pair.OpenAsync(true, Cancel);
            greedy.Add(a);
            writing.Add(Task.Run(async () => await a.WriteAsync(new byte[200_000], Cancel), Cancel));
        }

        await UntilAsync(() => greedy.Exists(g => g.IsClosed));
        Assert.Contains(greedy, g => !g.IsClosed);
        Assert.True(memory.Used <= 1 << 20);
        Assert.False(pair.Listener.Muxer.Closed.IsCancellationRequested);
        greedy.ForEach(g => g.Reset());
        await Task.WhenAll(writing).ConfigureAwait(
            ConfigureAwaitOptions.SuppressThrowing | ConfigureAwaitOptions.ContinueOnCapturedContext);
    }

    [Fact]
    public async Task A_stream_disposed_unread_ends_at_both_sides()
    {
        await using MuxerPair pair = await PairAsync();
        (MuxedStream a, MuxedStream b) = await pair.OpenAsync(true, Cancel);
        await a.WriteAsync(new byte[50_000], Cancel);
        await b.DisposeAsync();
        Assert.Equal(0, await a.ReadAsync(new byte[1], Cancel));
        await a.CloseWriteAsync(Cancel);
        await UntilAsync(() => pair.Dialler.Muxer.StreamCount == 0 && pair.Listener.Muxer.StreamCount == 0);
        Assert.Equal(0, pair.Listener.Muxer.BufferedBytes);
    }

    [Fact]
    public async Task A_stream_whose_peer_never_closes_is_reset_after_a_while()
    {
        await using MuxerPair pair = await PairAsync();
        (MuxedStream a, MuxedStream b) = await pair.OpenAsync(true, Cancel);
        await b.DisposeAsync();
        Assert.Equal(0, await a.ReadAsync(new byte[1], Cancel));
        await UntilAsync(() => a.IsClosed && b.IsClosed, seconds: 15);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public async Task Random_bytes_end_the_connection_and_nothing_else(int seed)
    {
        (NoiseChannel stranger, NoiseChannel channel) = await Wire.ConnectNoiseAsync(Cancel);
        using (Wire.Own(stranger))
        {
            MuxerSide side = MuxerSide.Create(Create, channel, initiator: false);
            Task<string> running = side.Muxer.RunAsync();
            for (int i = 0; i < 2000 && !running.IsCompleted; i++)
            {
                try
                {
                    await stranger.WriteAsync(Xs128.Bytes($"{seed} {i}", 1 + (i % 700)), Cancel);
                }
                catch (IOException)
                {
                    break;
                }
                catch (System.Net.Sockets.SocketException)
                {
                    break;
                }
            }

            stranger.Dispose();
            await running.WaitAsync(TimeSpan.FromSeconds(10), Cancel);
            Assert.Equal(0, side.Muxer.BufferedBytes);
            Assert.Equal(0, side.Muxer.StreamCount);
        }
    }

    private protected abstract Muxer Create(NoiseChannel channel, bool initiator, MuxerSettings settings);

    private protected Task<MuxerPair> PairAsync(
        int maxInbound = 1024, ResourceLimit? memory = null) => MuxerPair.CreateAsync(Create, Cancel, maxInbound, memory);

    /// <summary>Sends bytes over a new stream and checks them.</summary>
    private protected static async Task ExchangeAsync(MuxerPair pair, int size)
    {
        (MuxedStream a, MuxedStream b) = await pair.OpenAsync(true, Cancel);
        byte[] data = Xs128.Bytes("exchange", size);
        Task writing = a.WriteAsync(data, Cancel).AsTask();
        byte[] got = new byte[size];
        await b.ReadExactlyAsync(got, Cancel);
        await writing;
        Assert.Equal(data, got);
        await a.DisposeAsync();
        await b.DisposeAsync();
    }

    private protected static async Task UntilAsync(Func<bool> condition, int seconds = 10)
    {
        long end = Environment.TickCount64 + (seconds * 1000);
        while (!condition())
        {
            Assert.True(Environment.TickCount64 < end, "the condition was not met in time");
            await Task.Delay(5, Cancel);
        }
    }

    private protected static async Task<byte[]> ReadAllAsync(MuxedStream stream)
    {
        using var all = new MemoryStream();
        byte[] buffer = new byte[32_768];
        for (int n; (n = await stream.ReadAsync(buffer, Cancel)) > 0;)
        {
            all.Write(buffer, 0, n);
        }

        return all.ToArray();
    }
}
