using System.Numerics;
using System.Security.Cryptography;

namespace Ipcs.Libp2p.Identity;

/// <summary>
/// Compressed points of secp256k1, which .NET does not decode. Spec: https://www.secg.org/sec1-v2.pdf, section 2.3.4.
/// <code>02 (y even) or 03 (y odd), then x in 32 bytes      y^2 = x^3 + 7 (mod p)</code>
/// </summary>
internal static class Secp256k1Point
{
    private const int Length = 32;
    private static readonly ECCurve Curve = ECCurve.CreateFromValue("1.3.132.0.10");
    private static readonly BigInteger P = (BigInteger.One << 256) - (BigInteger.One << 32) - 977;

    /// <summary>
    /// Decodes a compressed point to key parameters; false when no point has that x. OpenSSL checks the point again at import.
    /// </summary>
    public static bool TryParse(ReadOnlySpan<byte> bytes, out ECParameters parameters)
    {
        parameters = default;
        if (bytes.Length != 1 + Length || bytes[0] is not (2 or 3))
        {
            return false;
        }

        var x = new BigInteger(bytes[1..], isUnsigned: true, isBigEndian: true);
        if (x >= P)
        {
            return false;
        }

        // p = 3 (mod 4), so the square root is the power of (p + 1) / 4.
        BigInteger square = ((x * x * x) + 7) % P;
        BigInteger y = BigInteger.ModPow(square, (P + 1) / 4, P);
        if (y * y % P != square)
        {
            return false;
        }

        if (y.IsEven != (bytes[0] == 2))
        {
            y = P - y;
        }

        byte[] yBytes = new byte[Length];
        byte[] shortest = y.ToByteArray(isUnsigned: true, isBigEndian: true);
        shortest.CopyTo(yBytes, Length - shortest.Length);
        parameters = new ECParameters { Curve = Curve, Q = new ECPoint { X = bytes[1..].ToArray(), Y = yBytes } };
        return true;
    }
}
