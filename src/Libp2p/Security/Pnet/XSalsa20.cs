using System.Runtime.InteropServices;
using System.Security.Cryptography;

namespace Ipcs.Libp2p.Security.Pnet;

/// <summary>
/// The key stream of one direction, by the libsodium that NSec ships. Spec: https://cr.yp.to/snuffle/xsalsa-20081128.pdf.
/// Not thread-safe. NSec must have been used before, because that initializes libsodium.
/// </summary>
internal sealed partial class XSalsa20(ReadOnlySpan<byte> key, ReadOnlySpan<byte> nonce)
{
    /// <summary>The length of a nonce in bytes.</summary>
    public const int NonceLength = 24;

    private const int BlockLength = 64;
    private const string Sodium = "libsodium";
    private readonly byte[] _key = key.ToArray();
    private readonly byte[] _nonce = nonce.Length == NonceLength
        ? nonce.ToArray()
        : throw new ArgumentException("an XSalsa20 nonce has 24 bytes", nameof(nonce));
    private readonly byte[] _block = new byte[BlockLength];
    private ulong _next;
    private int _used = BlockLength;

    /// <summary>Encrypts or decrypts the next bytes in place; pieces of any length give the same result as the whole.</summary>
    public void Apply(Span<byte> data)
    {
        int n = Math.Min(BlockLength - _used, data.Length);
        Xor(data[..n], _block.AsSpan(_used));
        _used += n;
        data = data[n..];
        int whole = data.Length / BlockLength * BlockLength;
        if (whole > 0)
        {
            Stream(data[..whole]);
            data = data[whole..];
        }

        if (data.Length > 0)
        {
            _block.AsSpan().Clear();
            Stream(_block);
            Xor(data, _block);
            _used = data.Length;
        }
    }

    private static void Xor(Span<byte> data, ReadOnlySpan<byte> stream)
    {
        for (int i = 0; i < data.Length; i++)
        {
            data[i] ^= stream[i];
        }
    }

    private unsafe void Stream(Span<byte> blocks)
    {
        fixed (byte* bytes = blocks, n = _nonce, k = _key)
        {
            if (crypto_stream_xsalsa20_xor_ic(bytes, bytes, (ulong)blocks.Length, n, _next, k) != 0)
            {
                throw new CryptographicException("XSalsa20 failed");
            }
        }

        _next += (ulong)(blocks.Length / BlockLength);
    }

    // https://doc.libsodium.org/advanced/stream_ciphers/xsalsa20
    [LibraryImport(Sodium)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static unsafe partial int crypto_stream_xsalsa20_xor_ic(
        byte* output, byte* input, ulong length, byte* nonce, ulong block, byte* key);
}
