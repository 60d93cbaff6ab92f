using System.Numerics;
using CsCheck;
using Ipcs.Dag.Chunking;
using Ipcs.TestKit;

namespace Ipcs.Dag.Tests.Chunking;

public sealed class ChunkerSpecTests
{
    [Theory]
    [InlineData("size-1", "size-1", 1)]
    [InlineData("size-0262144", "size-262144", 262144)]
    [InlineData("size-2096896", "size-2096896", 2096896)]
    [InlineData("rabin", "rabin-87381-262144-393216", 393216)]
    [InlineData("rabin-48", "rabin-16-48-72", 72)]
    [InlineData("rabin-16-16-16", "rabin-16-16-16", 16)]
    [InlineData("rabin-min:16-avg:32-max:64", "rabin-16-32-64", 64)]
    [InlineData("buzhash", "buzhash", 524288)]
    [InlineData("tar", "tar", 589824)]
    public void Notations_have_their_meaning(string text, string canonical, int max)
    {
        Assert.True(ChunkerSpec.TryParse(text, out ChunkerSpec? spec, out string? problem), problem);
        Assert.Equal((canonical, max), (spec.Text, spec.MaxLength));
    }

    [Theory]
    [InlineData(null, "size-N")]
    [InlineData("", "size-N")]
    [InlineData("fixed", "'fixed'")]
    [InlineData("size", "'size'")]
    [InlineData("size-", "1 to 2096896")]
    [InlineData("size-0", "1 to 2096896")]
    [InlineData("size--1", "'size--1'")]
    [InlineData("size-+1", "1 to 2096896")]
    [InlineData("size-2096897", "1 to 2096896")]
    [InlineData("size-99999999999", "1 to 2096896")]
    [InlineData("size-1-2", "'size-1-2'")]
    [InlineData("rabin-", "'rabin-'")]
    [InlineData("rabin-47", "15, is under 16")]
    [InlineData("rabin-2096896", "3145344, is over 2096896")]
    [InlineData("rabin-2147483647", "over 2096896")]
    [InlineData("rabin-1-2", "'rabin-1-2'")]
    [InlineData("rabin-15-20-30", "15, is under 16")]
    [InlineData("rabin-20-16-30", "not in order")]
    [InlineData("rabin-16-32-31", "not in order")]
    [InlineData("rabin-16-32-2096897", "over 2096896")]
    [InlineData("rabin-avg:16-min:32-max:64", "'rabin-avg:16-min:32-max:64'")]
    [InlineData("buzhash-1", "'buzhash-1'")]
    [InlineData("Buzhash", "'Buzhash'")]
    [InlineData("tar-1", "'tar-1'")]
    public void An_invalid_notation_is_reported(string? text, string says)
    {
        Assert.False(ChunkerSpec.TryParse(text, out ChunkerSpec? spec, out string? problem));
        Assert.Null(spec);
        Assert.Contains(says, problem, StringComparison.Ordinal);
    }

    [Fact]
    public void The_lengths_of_pieces_do_not_change_the_cuts() => Gen.Select(Gen.Int[0, 3], Gen.Int[1, 5000], Gen.Int[0, 20_000]).Sample(
        (kind, piece, size) =>
        {
            string text = new[] { "size-777", "rabin-100-256-1000", "rabin-16-64-99", "rabin-500-500-500" }[kind];
            Assert.True(ChunkerSpec.TryParse(text, out ChunkerSpec? spec, out _));
            byte[] data = Xs128.Bytes("pieces", size);
            Assert.Equal(Cutting.Lengths(spec, data, int.MaxValue), Cutting.Lengths(spec, data, piece));
        },
        iter: 300);

    [Fact]
    public void Buzhash_cuts_where_its_definition_says()
    {
        byte[] data = Xs128.Bytes("buzhash", 4 << 20);
        Assert.True(ChunkerSpec.TryParse("buzhash", out ChunkerSpec? spec, out _));
        int[] lengths = Cutting.Lengths(spec, data, 65536);
        Assert.Equal(lengths, Cutting.Lengths(spec, data, 1001));
        Assert.Equal(data.Length, lengths.Sum());
        int at = 0;
        foreach (int length in lengths)
        {
            Assert.Equal(Definition(data.AsSpan(at)), length);
            at += length;
        }

        // A window of equal bytes hashes to all zeros or all ones. The byte 0 gives zeros, so every chunk has the minimum length.
        Assert.Equal([131072, 131072, 1], Cutting.Lengths(spec, new byte[(2 * 131072) + 1], 10_000));
    }

    [Fact]
    public void An_insertion_does_not_move_later_cuts()
    {
        byte[] data = Xs128.Bytes("shift", 3 << 20);
        foreach (string text in new[] { "buzhash", "rabin" })
        {
            Assert.True(ChunkerSpec.TryParse(text, out ChunkerSpec? spec, out _));
            HashSet<int> ends = [.. Ends(Cutting.Lengths(spec, data, int.MaxValue))];
            HashSet<int> shifted = [.. Ends(Cutting.Lengths(spec, [1, 2, 3, .. data], int.MaxValue)).Select(end => end - 3)];
            Assert.True(ends.Intersect(shifted).Count() > ends.Count / 2, text);
        }
    }

    /// <summary>The hash of a window: the exclusive or of its bytes' table values, each rotated by its distance from the end.</summary>
    private static int Definition(ReadOnlySpan<byte> data)
    {
        for (int end = BuzhashChunker.KuboMin; end < Math.Min(data.Length, BuzhashChunker.KuboMax); end++)
        {
            uint hash = 0;
            for (int i = 0; i < BuzhashChunker.Window; i++)
            {
                hash ^= BitOperations.RotateLeft(BuzhashChunker.Word(data[end - 1 - i]), i);
            }

            if ((hash & ((1u << BuzhashChunker.KuboBits) - 1)) == 0)
            {
                return end;
            }
        }

        return Math.Min(data.Length, BuzhashChunker.KuboMax);
    }

    private static IEnumerable<int> Ends(int[] lengths)
    {
        int at = 0;
        foreach (int length in lengths)
        {
            yield return at += length;
        }
    }
}
