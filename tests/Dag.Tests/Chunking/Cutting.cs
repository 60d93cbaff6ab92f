using Ipcs.Dag.Chunking;

namespace Ipcs.Dag.Tests.Chunking;

internal static class Cutting
{
    /// <summary>The lengths of the chunks when the chunker gets the data in pieces of a maximum length.</summary>
    public static int[] Lengths(ChunkerSpec spec, ReadOnlySpan<byte> data, int piece)
    {
        IChunker chunker = spec.Create();
        var lengths = new List<int>();
        int open = 0;
        while (!data.IsEmpty)
        {
            ReadOnlySpan<byte> seen = data[..Math.Min(piece, data.Length)];
            int cut = chunker.FindCut(seen);
            Assert.InRange(cut, 0, seen.Length);
            int taken = cut == 0 ? seen.Length : cut;
            open += taken;
            Assert.InRange(open, 1, chunker.MaxLength);
            if (cut > 0)
            {
                lengths.Add(open);
                open = 0;
            }

            data = data[taken..];
        }

        if (open > 0)
        {
            lengths.Add(open);
        }

        return [.. lengths];
    }
}
