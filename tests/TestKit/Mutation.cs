namespace Ipcs.TestKit;

/// <summary>Changes bytes as a fuzzer does: flips, cuts, doubles, and puts in the numbers at which decoders break.</summary>
public static class Mutation
{
    private static readonly byte[][] Hard =
    [
        [0x00], [0x7f], [0x80], [0xff], [0x80, 0x00], [0xff, 0xff, 0xff, 0xff, 0x07], [0xff, 0xff, 0xff, 0xff, 0x0f],
        [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01], [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f],
        [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01], [0x12, 0x20], [0x00, 0x00], [0x01, 0x55], [0x01, 0x70],
    ];

    /// <summary>A changed copy of one of the seeds; the same number always makes the same one.</summary>
    public static byte[] Of(IReadOnlyList<byte[]> seeds, int number)
    {
        var random = new Random(number);
        List<byte> bytes = [.. seeds[random.Next(seeds.Count)]];
        for (int change = random.Next(1, 5); change > 0; change--)
        {
            int at = random.Next(bytes.Count + 1);
            int length = Math.Min(random.Next(1, 9), bytes.Count - at);
            switch (random.Next(7))
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
                default:
                    bytes.RemoveRange(at, length);
                    bytes.InsertRange(at, Hard[random.Next(Hard.Length)]);
                    break;
            }
        }

        return [.. bytes];
    }
}
