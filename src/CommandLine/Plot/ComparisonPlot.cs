using System.Globalization;
using System.Text.Json.Nodes;
using Ipcs.Multiformats;

namespace Ipcs.CommandLine.Plot;

/// <summary>
/// Draws a comparison: for each chunker a bar for each set of images, whose length is the number of bytes that exactly these images share.
/// </summary>
internal static class ComparisonPlot
{
    /// <summary>The most bars. The largest ones are drawn.</summary>
    private const int MaxBars = 200;

    private const int Width = 960;
    private const int Margin = 16;
    private const int BarHeight = 17;
    private const int BarStep = 36;
    private const int Ink = 0x222222;
    private const int Faint = 0x888888;

    /// <summary>From red for the bytes of one image to green for those that all images share.</summary>
    private static readonly int[] Colors = [0xd9534f, 0xe8a33d, 0x9cb83c, 0x3c9d4e];

    /// <summary>The picture as PNG.</summary>
    public static byte[] Draw(JsonNode comparison)
    {
        string[] images = [.. comparison["images"]!.AsArray().Select(i => (string)i!)];
        JsonNode[] parts = [.. comparison["comparisons"]!.AsArray().Select(c => c!)];
        JsonNode[][] bars =
        [
            .. parts.Select(p => p["buckets"]!.AsArray().Select(b => b!).OrderByDescending(Bytes).Take(MaxBars / parts.Length).ToArray()),
        ];
        var picture = new Raster(Width, (2 * Margin) + (Line * (images.Length + 1)) + bars.Sum(b => (BarStep * b.Length) + (3 * Line)));
        int y = Margin;
        for (int i = 0; i < images.Length; i++)
        {
            picture.Write(Margin, y, Fit($"{Letter(i)}  {images[i]}"), Ink);
            y += Line;
        }

        long longest = Math.Max(1, bars.SelectMany(b => b).Select(Bytes).DefaultIfEmpty(0).Max());
        for (int i = 0; i < parts.Length; i++)
        {
            y = DrawPart(picture, y + Line, (string)parts[i]["chunker"]!, bars[i], images, longest);
        }

        return picture.ToPng();
    }

    private const int Line = Font.Height + 3;

    private static int DrawPart(Raster picture, int y, string chunker, JsonNode[] bars, string[] images, long longest)
    {
        long all = bars.Sum(Bytes);
        picture.Write(Margin, y, Fit($"{chunker}: {ByteSize.Format(all)} in all"), Ink);
        picture.Fill(Margin, y + Line, Width - (2 * Margin), 1, Faint);
        y += Line + 4;
        foreach (JsonNode bar in bars)
        {
            string[] owners = [.. bar["images"]!.AsArray().Select(i => (string)i!)];
            double share = 100.0 * Bytes(bar) / Math.Max(1, all);
            string label = string.Create(
                CultureInfo.InvariantCulture,
                $"{Names(owners, images)}  {ByteSize.Format(Bytes(bar))}, {(long)bar["blocks"]!} blocks, {share:F1}%");
            picture.Write(Margin, y, Fit(label), Ink);
            int width = (int)Math.Max(1, (Width - (2 * Margin)) * Bytes(bar) / longest);
            int color = images.Length == 1 ? 0 : (owners.Length - 1) * (Colors.Length - 1) / (images.Length - 1);
            picture.Fill(Margin, y + Line - 2, width, BarHeight - 2, Colors[color]);
            y += BarStep;
        }

        return y + Line;
    }

    /// <summary>The letters of the images. An image that was given twice has two.</summary>
    private static string Names(string[] owners, string[] images)
    {
        IEnumerable<int> indexes = Enumerable.Range(0, images.Length).Where(i => owners.Contains(images[i], StringComparer.Ordinal));
        return string.Join(" + ", indexes.Select(Letter)) + (owners.Length == 1 ? " only" : "");
    }

    private static string Letter(int image) => image < 26 ? ((char)('A' + image)).ToString() : $"#{image + 1}";

    private static long Bytes(JsonNode bucket) => (long)bucket["bytes"]!;

    private static string Fit(string text)
    {
        const int MaxLength = (Width - (2 * Margin)) / Font.Width;
        return text.Length <= MaxLength ? text : text[..MaxLength];
    }
}
