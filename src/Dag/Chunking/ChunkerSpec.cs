using System.Diagnostics.CodeAnalysis;
using System.Globalization;

namespace Ipcs.Dag.Chunking;

/// <summary>How a file is cut, by the words that Kubo has for it and one of our own, <c>tar</c>: <see cref="Forms"/>.</summary>
public sealed class ChunkerSpec : IEquatable<ChunkerSpec>
{
    /// <summary>The longest chunk, in bytes: what Bitswap carries in one block (2 MiB), less the room that a dag-pb frame takes.</summary>
    public const int MaxChunkLength = (2 << 20) - 256;

    /// <summary>What <see cref="TryParse"/> takes, for messages.</summary>
    public const string Forms = "size-N, rabin, rabin-AVG, rabin-MIN-AVG-MAX, buzhash or tar";

    /// <summary>What Kubo does unless told otherwise: 256 KiB.</summary>
    public static readonly ChunkerSpec Default = Size(262144);

    /// <summary>Longer words than any that mean something.</summary>
    private const int MaxTextLength = 64;

    private readonly Func<IChunker> _create;

    private ChunkerSpec(string text, int maxLength, Func<IChunker> create, bool isTar = false)
    {
        IsTar = isTar;
        Text = text;
        MaxLength = maxLength;
        _create = create;
    }

    /// <summary>The words, in one spelling: equal ones cut alike.</summary>
    public string Text { get; }

    /// <summary>The longest chunk it makes, in bytes.</summary>
    public int MaxLength { get; }

    /// <summary>True when it is as new after each cut, so that an interrupted import can go on there.</summary>
    public bool Resumes => !IsTar;

    /// <summary>True for the one that cuts at the files of a tar: what it gets is not compressed, so that its blocks are worth packing.</summary>
    public bool IsTar { get; }

    /// <summary>Cuts every so many bytes.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The size is not 1 to <see cref="MaxChunkLength"/>.</exception>
    public static ChunkerSpec Size(int size)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(size, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(size, MaxChunkLength);
        return new ChunkerSpec($"size-{size.ToString(CultureInfo.InvariantCulture)}", size, () => new FixedSizeChunker(size));
    }

    /// <summary>Parses the words.</summary>
    /// <param name="text">Such as <c>size-262144</c>.</param>
    /// <param name="spec">What they mean.</param>
    /// <param name="problem">What is wrong with them, naming them; null when nothing is.</param>
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
                "buzhash", BuzhashChunker.KuboMax, () => new BuzhashChunker(BuzhashChunker.KuboMin, BuzhashChunker.KuboMax, BuzhashChunker.KuboBits)),
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
            ? new ChunkerSpec(string.Create(CultureInfo.InvariantCulture, $"rabin-{min}-{average}-{max}"), max, () => new RabinChunker(min, average, max))
            : null;
    }

    /// <summary>Kubo takes <c>rabin-min:1-avg:2-max:3</c> too.</summary>
    private static bool TryLabelled(string[] words, out int min, out int average, out int max)
    {
        average = max = 0;
        return TryNumber(Unlabelled(words[1], "min:"), out min)
            && TryNumber(Unlabelled(words[2], "avg:"), out average)
            && TryNumber(Unlabelled(words[3], "max:"), out max);
    }

    private static string Unlabelled(string word, string label) => word.StartsWith(label, StringComparison.Ordinal) ? word[label.Length..] : word;

    private static bool TryNumber(string word, out int number) => int.TryParse(word, NumberStyles.None, CultureInfo.InvariantCulture, out number);
}
