using System.Runtime.InteropServices;
using System.Security.Cryptography;

namespace Ipcs.Libp2p.Security.Noise;

/// <summary>
/// A private X25519 key, by the libsodium that NSec ships. Spec: https://www.rfc-editor.org/rfc/rfc7748.
/// NSec's own type keeps every key and secret in separate guarded pages: with four of them, a handshake spent half of its time in the
/// kernel. Disposing clears the key. NSec must have been used before, because that initializes libsodium.
/// </summary>
internal sealed partial class X25519 : IDisposable
{
    /// <summary>The length of private keys, public keys and shared secrets in bytes.</summary>
    public const int Length = 32;

    private const string Sodium = "libsodium";
    private readonly byte[] _private = new byte[Length];

    public X25519(ReadOnlySpan<byte> privateKey)
    {
        if (privateKey.Length != Length)
        {
            throw new ArgumentException("an X25519 key has 32 bytes", nameof(privateKey));
        }

        privateKey.CopyTo(_private);
        PublicKey = ToPublic(_private);
    }

    /// <summary>The public key.</summary>
    public byte[] PublicKey { get; }

    /// <summary>
    /// Computes the secret shared with the owner of <paramref name="publicKey"/>; false for a key of low order, with which every secret is
    /// the same.
    /// </summary>
    public unsafe bool TryAgree(ReadOnlySpan<byte> publicKey, Span<byte> secret)
    {
        if (publicKey.Length != Length || secret.Length != Length)
        {
            return false;
        }

        fixed (byte* output = secret, scalar = _private, point = publicKey)
        {
            return crypto_scalarmult_curve25519(output, scalar, point) == 0;
        }
    }

    /// <inheritdoc/>
    public void Dispose() => CryptographicOperations.ZeroMemory(_private);

    private static unsafe byte[] ToPublic(byte[] privateKey)
    {
        byte[] key = new byte[Length];
        fixed (byte* output = key, scalar = privateKey)
        {
            return crypto_scalarmult_curve25519_base(output, scalar) == 0 ? key : throw new CryptographicException("X25519 failed");
        }
    }

    // https://doc.libsodium.org/advanced/scalar_multiplication
    [LibraryImport(Sodium)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static unsafe partial int crypto_scalarmult_curve25519(byte* output, byte* scalar, byte* point);

    [LibraryImport(Sodium)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static unsafe partial int crypto_scalarmult_curve25519_base(byte* output, byte* scalar);
}
