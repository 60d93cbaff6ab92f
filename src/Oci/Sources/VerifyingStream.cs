using System.Security.Cryptography;
using Ipcs.Multiformats;

namespace Ipcs.Oci.Sources;

/// <summary>
/// Verifies a content while it is read: the read that would return its last bytes throws unless length and digest match, so that no
/// reader gets all bytes of an invalid content. Owns the inner stream.
/// </summary>
public sealed class VerifyingStream(Stream inner, Descriptor descriptor) : ForwardStream
{
    private readonly IncrementalHash _hash = IncrementalHash.CreateHash(AlgorithmOf(descriptor.Digest));
    private long _length;
    private bool _checked;

    /// <summary>The hash algorithm of a digest.</summary>
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
            throw new ImageSourceException($"{descriptor.Digest} is longer than the {descriptor.Size} bytes of its descriptor");
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
            throw new ImageSourceException($"the bytes of {descriptor.Digest} do not match the digest");
        }
    }
}
