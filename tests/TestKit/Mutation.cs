namespace Ipcs.TestKit;

/// <summary>Mutates byte strings as a fuzzer does: bit flips, cuts, repeats, splices, and numbers at which decoders break.</summary>
public static class Mutation
{
    /// <summary>Varints at the limits of 32 and 64 bits, single bytes at theirs, and the beginnings of multihashes and CIDs.</summary>
    private static readonly byte[][] Hard =
    [
        [0x00], [0x7f], [0x80], [0xff], [0x80, 0x00], [0xff, 0xff, 0xff, 0xff, 0x07], [0xff, 0xff, 0xff, 0xff, 0x0f],
        [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01], [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f],
        [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01], [0x12, 0x20], [0x00, 0x00], [0x01, 0x55], [0x01, 0x70],
    ];

    /// <summary>A mutated copy of one of the seeds; the same number always makes the same copy.</summary>
    public static byte[] Of(IReadOnlyList<byte[]> seeds, int number)
    {
        var random = new Random(number);
        List<byte> bytes = [.. seeds[random.Next(seeds.Count)]];
        for (int change = random.Next(1, 6); change > 0; change--)
        {
            Change(bytes, seeds, random);
        }

        return [.. bytes];
    }

    private static void Change(List<byte> bytes, IReadOnlyList<byte[]> seeds, Random random)
    {
        int at = random.Next(bytes.Count + 1);
        int length = Math.Min(random.Next(1, 9), bytes.Count - at);
        switch (random.Next(9))
        {
            case 0 when length > 0:
                bytes[at] ^= (byte)(1 << random.Next(8));
                break;
            case 1 when length > 0:
                bytes[at] = (byte)random.Next(256);
                break;
            case 2:
                bytes.RemoveRange(at, length);
                break;
            case 3:
                bytes.InsertRange(at, bytes.GetRange(at, length));
                break;
            case 4:
                bytes.InsertRange(at, Hard[random.Next(Hard.Length)]);
                break;
            case 5:
                bytes.RemoveRange(at, bytes.Count - at);
                break;
            case 6: // the tail of another seed
                byte[] other = seeds[random.Next(seeds.Count)];
                bytes.InsertRange(at, other.Skip(random.Next(other.Length + 1)));
                break;
            case 7:
                byte[] noise = new byte[random.Next(1, 20)];
                random.NextBytes(noise);
                bytes.InsertRange(at, noise);
                break;
            default:
                bytes.RemoveRange(at, length);
                bytes.InsertRange(at, Hard[random.Next(Hard.Length)]);
                break;
        }
    }
}
