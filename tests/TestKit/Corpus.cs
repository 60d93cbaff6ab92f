using System.Diagnostics;

namespace Ipcs.TestKit;

/// <summary>The kept corpora of tests/Fuzz: a file per project, a line <c>DECODER HEX</c> per seed.</summary>
public static class Corpus
{
    /// <summary>For how long each decoder is tried.</summary>
    public static TimeSpan Time { get; } = TimeSpan.FromSeconds(2);

    /// <summary>The seeds of a decoder.</summary>
    public static byte[][] Seeds(string file, string decoder)
    {
        using Stream stream = typeof(Corpus).Assembly.GetManifestResourceStream(file) ?? throw new FileNotFoundException(file);
        using var reader = new StreamReader(stream);
        return [.. reader.ReadToEnd().Split('\n').Select(line => line.Split(' ')).Where(words => words[0] == decoder).Select(words => Convert.FromHexString(words[1]))];
    }

    /// <summary>Gives a decoder its seeds, and for a bounded time what grows out of them. It may refuse each in its own way, and do nothing else.</summary>
    /// <exception cref="InvalidOperationException">It threw: the message has the input, which is then to be added to the file.</exception>
    public static void Try(string file, string decoder, Action<byte[]> decode)
    {
        byte[][] seeds = Seeds(file, decoder);
        if (seeds.Length == 0)
        {
            throw new InvalidOperationException($"{file} has no seed of {decoder}");
        }

        foreach (byte[] seed in seeds)
        {
            Try(decoder, decode, seed);
        }

        long start = Stopwatch.GetTimestamp();
        for (int number = 0; Stopwatch.GetElapsedTime(start) < Time; number++)
        {
            Try(decoder, decode, Mutation.Of(seeds, number));
        }
    }

    private static void Try(string decoder, Action<byte[]> decode, byte[] input)
    {
        try
        {
            decode(input);
        }
        catch (Exception e)
        {
            throw new InvalidOperationException($"{decoder} {Convert.ToHexStringLower(input)}: {e}", e);
        }
    }
}
