using System.Security.Cryptography;
using Ipcs.Multiformats;

namespace Ipcs.Oci.Sources;

/// <summary>
/// A content as it is read: the read that brings its last byte throws unless length and digest hold, so nobody has the whole of a false one.
/// Owns the stream below.
/// </summary>
public sealed class VerifyingStream(Stream inner, Descriptor descriptor) : ForwardStream
{
    private readonly IncrementalHash _hash = IncrementalHash.CreateHash(AlgorithmOf(descriptor.Digest));
    private long _length;
    private bool _checked;

    /// <summary>The hash that a digest is made with.</summary>
    public static HashAlgorithmName AlgorithmOf(Digest digest) => digest.Hash.Code switch
    {
        Multihash.Sha2_512 => HashAlgorithmName.SHA512,
        Multihash.Sha2_384 => HashAlgorithmName.SHA384,
        _ => HashAlgorithmName.SHA256,
    };

    /// <inheritdoc/>
    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        int n = await inner.ReadAsync(buffer, cancellationToken);
        _hash.AppendData(buffer.Span[..n]);
        _length += n;
        if (_length > descriptor.Size)
        {
            throw new ImageSourceException($"{descriptor.Digest} is longer than the {descriptor.Size} bytes that its descriptor says");
        }

        if (n == 0 && buffer.Length > 0 && _length < descriptor.Size)
        {
            throw new ImageSourceException($"{descriptor.Digest} ends after {_length} of {descriptor.Size} bytes");
        }

        if (_length == descriptor.Size && !_checked)
        {
            _checked = true;
            Check();
        }

        return n;
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            inner.Dispose();
            _hash.Dispose();
        }

        base.Dispose(disposing);
    }

    private void Check()
    {
        Multihash expected = descriptor.Digest.Hash;
        if (!_hash.GetHashAndReset().AsSpan().SequenceEqual(expected.Digest))
        {
            throw new ImageSourceException($"the bytes of {descriptor.Digest} do not hash to it");
        }
    }
}
