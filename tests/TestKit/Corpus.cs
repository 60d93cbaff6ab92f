using System.Diagnostics;

namespace Ipcs.TestKit;

/// <summary>The seeds of mutation tests in tests/Fuzz: one file per project, one line <c>DECODER HEX</c> per seed.</summary>
public static class Corpus
{
    /// <summary>How long each decoder is tested.</summary>
    public static TimeSpan Time { get; } = TimeSpan.FromSeconds(2);

    /// <summary>The seeds of a decoder.</summary>
    public static byte[][] Seeds(string file, string decoder)
    {
        using Stream stream = typeof(Corpus).Assembly.GetManifestResourceStream(file) ?? throw new FileNotFoundException(file);
        using var reader = new StreamReader(stream);
        return [.. reader.ReadToEnd().Split('\n')
            .Select(line => line.Split(' '))
            .Where(words => words[0] == decoder)
            .Select(words => Convert.FromHexString(words[1]))];
    }

    /// <summary>
    /// Gives a decoder its seeds, then mutations of them for a bounded time. The decoder may refuse an input, but must not throw.
    /// </summary>
    /// <exception cref="InvalidOperationException">It threw. The message has the input, which is then added to the file.</exception>
    public static void Try(string file, string decoder, Action<byte[]> decode)
    {
        foreach (byte[] input in Inputs(file, decoder))
        {
            try
            {
                decode(input);
            }
            catch (Exception e)
            {
                throw Failure(decoder, input, e);
            }
        }
    }

    /// <summary>As <see cref="Try"/>, for a decoder that reads from a stream.</summary>
    /// <exception cref="InvalidOperationException">It threw. The message has the input, which is then added to the file.</exception>
    public static async Task TryAsync(string file, string decoder, Func<byte[], Task> decode)
    {
        foreach (byte[] input in Inputs(file, decoder))
        {
            try
            {
                await decode(input);
            }
            catch (Exception e)
            {
                throw Failure(decoder, input, e);
            }
        }
    }

    private static IEnumerable<byte[]> Inputs(string file, string decoder)
    {
        byte[][] seeds = Seeds(file, decoder);
        if (seeds.Length == 0)
        {
            throw new InvalidOperationException($"{file} has no seed of {decoder}");
        }

        foreach (byte[] seed in seeds)
        {
            yield return seed;
        }

        long start = Stopwatch.GetTimestamp();
        for (int number = 0; Stopwatch.GetElapsedTime(start) < Time; number++)
        {
            yield return Mutation.Of(seeds, number);
        }
    }

    private static InvalidOperationException Failure(string decoder, byte[] input, Exception e) =>
        new($"{decoder} {Convert.ToHexStringLower(input)}: {e}", e);
}
