using System.Security.Cryptography;

namespace Ipcs.Microbenchmarks;

/// <summary>
/// The input file: the same random mebibyte repeated, with a few bytes of every 16 KiB changed so that no two blocks are equal.
/// </summary>
internal static class Input
{
    public static async Task WriteAsync(string path, long length)
    {
        byte[] piece = RandomNumberGenerator.GetBytes(1 << 20);
        await using FileStream file = File.Create(path);
        for (long at = 0; at < length; at += piece.Length)
        {
            for (int block = 0; block < piece.Length; block += 16384)
            {
                BitConverter.TryWriteBytes(piece.AsSpan(block), at + block);
            }

            await file.WriteAsync(piece.AsMemory(0, (int)Math.Min(piece.Length, length - at)));
        }
    }
}
