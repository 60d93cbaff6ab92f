using Ipcs.Blockstore.Compression;
using Ipcs.TestKit;
using ZstdSharp;

namespace Ipcs.Blockstore.Tests.Compression;

/// <summary>Reads zstd frames that another implementation wrote, and malformed ones.</summary>
public sealed class ZstdStreamTests
{
    private static readonly byte[] Skippable = [0x5a, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3];
    private static readonly byte[] Text = [.. Enumerable.Range(0, 300_000).Select(i => (byte)(i * i / 7))];
    private static readonly byte[] Noise = Xs128.Bytes("noise", 300_000);

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public static TheoryData<string, byte[], byte[]> Inputs => new()
    {
        { "nothing", [], [] },
        { "an empty frame", Frame([]), [] },
        { "one frame", Frame(Text), Text },
        { "one frame of what does not compress", Frame(Noise), Noise },
        {
            "many frames",
            [.. Frame(Text[..1000]), .. Frame([]), .. Frame(Noise), .. Frame(Text[1000..])],
            [.. Text[..1000], .. Noise, .. Text[1000..]]
        },
        { "skippable frames around one", [.. Skippable, .. Frame(Text), .. Skippable], Text },
        { "a window of 128 MiB", FrameWithWindow(27, "hello"u8), "hello"u8.ToArray() },
    };

    [Theory]
    [MemberData(nameof(Inputs))]
    public void The_content_of_all_frames_is_read(string input, byte[] frames, byte[] content)
    {
        using var stream = new ZstdStream(new MemoryStream(frames));
        Assert.True(content.AsSpan().SequenceEqual(ReadAll(stream)), input);
    }

    [Theory]
    [MemberData(nameof(Inputs))]
    public async Task Reading_asynchronously_gives_the_same(string input, byte[] frames, byte[] content)
    {
        await using var stream = new ZstdStream(new MemoryStream(frames));
        using var all = new MemoryStream();
        await stream.CopyToAsync(all, Cancel);
        Assert.True(content.AsSpan().SequenceEqual(all.ToArray()), input);
    }

    [Theory]
    [InlineData(1, 1)]
    [InlineData(1, 100_000)]
    [InlineData(7, 4096)]
    [InlineData(1 << 20, 3)]
    public void The_lengths_of_reads_change_nothing(int inputLength, int outputLength)
    {
        byte[] content = Text[..50_000];
        using var stream = new ZstdStream(
            new ShortReads([.. Frame(content[..20_000]), .. Skippable, .. Frame(content[20_000..])], inputLength));
        byte[] buffer = new byte[outputLength];
        using var all = new MemoryStream();
        while (stream.Read(buffer) is > 0 and int n)
        {
            all.Write(buffer, 0, n);
        }

        Assert.True(content.AsSpan().SequenceEqual(all.ToArray()));
    }

    [Fact]
    public void Input_that_ends_inside_a_frame_is_an_error_at_every_length()
    {
        byte[] content = Text[..500];
        byte[] frame = [.. Skippable, .. Frame(content)];
        for (int length = 1; length < frame.Length; length++)
        {
            if (length != Skippable.Length)
            {
                using var stream = new ZstdStream(new MemoryStream(frame[..length]));
                Assert.Throws<EndOfStreamException>(() => ReadAll(stream));
            }
        }
    }

    [Fact]
    public void Input_that_is_not_zstd_is_an_error()
    {
        byte[][] inputs = [Noise, "plain text"u8.ToArray(), new byte[100], [.. Frame(Text), .. Noise], [.. Frame(Text), 0, 0, 0, 0]];
        foreach (byte[] input in inputs)
        {
            using var stream = new ZstdStream(new MemoryStream(input));
            Assert.Throws<InvalidDataException>(() => ReadAll(stream));
        }
    }

    // Only as much of the window is allocated as the content needs.
    [Theory]
    [InlineData(28, 27)]
    [InlineData(31, 30)]
    [InlineData(21, 20)]
    public void A_window_larger_than_allowed_is_an_error(int windowLog, int maxWindowLog)
    {
        byte[] frame = FrameWithWindow(windowLog, "hello"u8);
        using var refused = new ZstdStream(new MemoryStream(frame), maxWindowLog);
        Assert.Throws<InvalidDataException>(() => ReadAll(refused));
        using var allowed = new ZstdStream(new MemoryStream(frame), windowLog);
        Assert.Equal("hello"u8, ReadAll(allowed));
    }

    [Fact]
    public void Mutated_frames_are_read_or_refused()
    {
        byte[][] seeds =
        [
            Frame(Text[..2000]),
            [.. Frame(Noise[..300]), .. Skippable, .. Frame(Text[..10])],
            FrameWithWindow(20, "hello"u8),
        ];
        for (int number = 0; number < 2000; number++)
        {
            using var stream = new ZstdStream(new MemoryStream(Mutation.Of(seeds, number)), maxWindowLog: 24);
            try
            {
                // 64 MiB: a few bytes can expand to much more.
                byte[] buffer = new byte[1 << 16];
                for (int total = 0, n; total < 1 << 26 && (n = stream.Read(buffer)) > 0; total += n)
                {
                }
            }
            catch (Exception e) when (e is InvalidDataException or EndOfStreamException)
            {
                // Refused.
            }
        }
    }

    [Fact]
    public void The_input_is_disposed_with_the_stream_and_no_read_follows()
    {
        var input = new MemoryStream(Frame(Text));
        var stream = new ZstdStream(input);
        Assert.Equal(10, stream.Read(new byte[10]));
        stream.Dispose();
        stream.Dispose();
        Assert.False(input.CanRead);
        Assert.Throws<ObjectDisposedException>(() => ReadAll(stream));
    }

    private static byte[] ReadAll(Stream stream)
    {
        using var all = new MemoryStream();
        stream.CopyTo(all);
        return all.ToArray();
    }

    private static byte[] Frame(byte[] content)
    {
        using var compressor = new Compressor();
        return compressor.Wrap(content).ToArray();
    }

    /// <summary>A frame of one uncompressed block that requires a window: https://www.rfc-editor.org/rfc/rfc8878#section-3.1.1.</summary>
    private static byte[] FrameWithWindow(int windowLog, ReadOnlySpan<byte> content) =>
        [0x28, 0xb5, 0x2f, 0xfd, 0x00, (byte)((windowLog - 10) << 3), (byte)((content.Length << 3) | 1), 0, 0, .. content];

    /// <summary>Gives at most a number of bytes at a time.</summary>
    private sealed class ShortReads(byte[] data, int length) : MemoryStream(data)
    {
        public override int Read(byte[] buffer, int offset, int count) => base.Read(buffer, offset, Math.Min(count, length));
    }
}
