using System.Diagnostics.CodeAnalysis;
using System.Globalization;

namespace Ipcs.Dag.Chunking;

/// <summary>How a file is cut into chunks, in Kubo's notation and with one addition, <c>tar</c>: <see cref="Forms"/>.</summary>
public sealed class ChunkerSpec : IEquatable<ChunkerSpec>
{
    /// <summary>The longest chunk, in bytes: the 2 MiB that Bitswap carries in one block, less the size of a dag-pb frame.</summary>
    public const int MaxChunkLength = (2 << 20) - 256;

    /// <summary>The notations that <see cref="TryParse"/> accepts, for messages.</summary>
    public const string Forms = "size-N, rabin, rabin-AVG, rabin-MIN-AVG-MAX, buzhash or tar";

    /// <summary>Kubo's default: 256 KiB.</summary>
    public static readonly ChunkerSpec Default = Size(262144);

    /// <summary>More characters than any valid notation has.</summary>
    private const int MaxTextLength = 64;

    private readonly Func<IChunker> _create;

    private ChunkerSpec(string text, int maxLength, Func<IChunker> create, bool isTar = false, bool isFixed = false)
    {
        IsTar = isTar;
        FixedLength = isFixed ? maxLength : null;
        Text = text;
        MaxLength = maxLength;
        _create = create;
    }

    /// <summary>The notation in a normal form: equal strings mean equal cuts.</summary>
    public string Text { get; }

    /// <summary>The longest chunk it produces, in bytes.</summary>
    public int MaxLength { get; }

    /// <summary>The length in bytes of every chunk but the last, which may be shorter; null when the bytes decide.</summary>
    public int? FixedLength { get; }

    /// <summary>True when the chunker keeps no state across a cut, so that an interrupted import can resume there.</summary>
    public bool Resumes => !IsTar;

    /// <summary>True for <c>tar</c>, which cuts at the files of an uncompressed tar: its blocks are worth compressing.</summary>
    public bool IsTar { get; }

    /// <summary>A chunker that cuts at a fixed length in bytes.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The size is not 1 to <see cref="MaxChunkLength"/>.</exception>
    public static ChunkerSpec Size(int size)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(size, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(size, MaxChunkLength);
        string text = string.Create(CultureInfo.InvariantCulture, $"size-{size}");
        return new ChunkerSpec(text, size, () => new FixedSizeChunker(size), isFixed: true);
    }

    /// <summary>Parses the notation.</summary>
    /// <param name="text">Such as <c>size-262144</c>.</param>
    /// <param name="spec">The result.</param>
    /// <param name="problem">The problem, with the text; null on success.</param>
    public static bool TryParse(string? text, [NotNullWhen(true)] out ChunkerSpec? spec, [NotNullWhen(false)] out string? problem)
    {
        spec = null;
        problem = null;
        if (string.IsNullOrEmpty(text) || text.Length > MaxTextLength)
        {
            problem = $"a chunker is {Forms}";
            return false;
        }

        string[] words = text.Split('-');
        spec = (words[0], words.Length) switch
        {
            ("size", 2) => ParseSize(words[1], out problem),
            ("rabin", 1) => Rabin(262144, out problem),
            ("rabin", 2) => TryNumber(words[1], out int average) ? Rabin(average, out problem) : null,
            ("rabin", 4) => TryLabelled(words, out int min, out int average, out int max) ? Rabin(min, average, max, out problem) : null,
            ("buzhash", 1) => new ChunkerSpec(
                "buzhash", BuzhashChunker.KuboMax, () => new BuzhashChunker(
                    BuzhashChunker.KuboMin, BuzhashChunker.KuboMax, BuzhashChunker.KuboBits)),
            ("tar", 1) => new ChunkerSpec("tar", TarChunker.LongestChunk, () => new TarChunker(), isTar: true),
            _ => null,
        };
        problem = spec is null ? $"chunker '{text}': {problem ?? $"not {Forms}"}" : null;
        return spec is not null;
    }

    /// <inheritdoc/>
    public bool Equals(ChunkerSpec? other) => other is not null && Text == other.Text;

    /// <inheritdoc/>
    public override bool Equals(object? obj) => Equals(obj as ChunkerSpec);

    /// <inheritdoc/>
    public override int GetHashCode() => Text.GetHashCode(StringComparison.Ordinal);

    /// <inheritdoc/>
    public override string ToString() => Text;

    internal IChunker Create() => _create();

    private static ChunkerSpec? ParseSize(string word, out string? problem)
    {
        bool good = TryNumber(word, out int size) && size is >= 1 and <= MaxChunkLength;
        problem = good ? null : $"the size is not 1 to {MaxChunkLength}";
        return good ? Size(size) : null;
    }

    // Kubo's proportions.
    private static ChunkerSpec? Rabin(int average, out string? problem)
    {
        if (average > MaxChunkLength)
        {
            problem = $"the average is over {MaxChunkLength}";
            return null;
        }

        return Rabin(average / 3, average, average + (average / 2), out problem);
    }

    private static ChunkerSpec? Rabin(int min, int average, int max, out string? problem)
    {
        problem = min < RabinChunker.Window ? $"the least length, {min}, is under {RabinChunker.Window}"
            : min > average || average > max ? $"{min}, {average} and {max} are not in order"
            : max > MaxChunkLength ? $"the greatest length, {max}, is over {MaxChunkLength}"
            : null;
        return problem is null
            ? new ChunkerSpec(
                string.Create(CultureInfo.InvariantCulture, $"rabin-{min}-{average}-{max}"), max, () => new RabinChunker(min, average, max))
            : null;
    }

    /// <summary>Kubo also accepts <c>rabin-min:1-avg:2-max:3</c>.</summary>
    private static bool TryLabelled(string[] words, out int min, out int average, out int max)
    {
        average = max = 0;
        return TryNumber(Unlabelled(words[1], "min:"), out min)
            && TryNumber(Unlabelled(words[2], "avg:"), out average)
            && TryNumber(Unlabelled(words[3], "max:"), out max);
    }

    private static string Unlabelled(
        string word, string label) => word.StartsWith(label, StringComparison.Ordinal) ? word[label.Length..] : word;

    private static bool TryNumber(
        string word, out int number) => int.TryParse(word, NumberStyles.None, CultureInfo.InvariantCulture, out number);
}
