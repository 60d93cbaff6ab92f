using System.Runtime.InteropServices;
using System.Security.Cryptography;

namespace Ipcs.Libp2p.Security.Noise;

/// <summary>
/// A private X25519 key, by libsodium, which NSec brings. Spec: https://www.rfc-editor.org/rfc/rfc7748.
/// NSec's own keeps every key and secret in guarded pages of their own: with four of them a handshake spent half of its time in the kernel.
/// Disposing wipes the key. The caller has made sure that NSec has been used before: that sets libsodium up.
/// </summary>
internal sealed partial class X25519 : IDisposable
{
    /// <summary>The length of a key, private or public, and of a secret, in bytes.</summary>
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

    /// <summary>The public half.</summary>
    public byte[] PublicKey { get; }

    /// <summary>The secret shared with who has the private half of <paramref name="publicKey"/>; false for a key that gives everybody the same one.</summary>
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
