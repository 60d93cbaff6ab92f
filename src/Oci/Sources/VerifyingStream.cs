using System.Security.Cryptography;
using Ipcs.Multiformats;

namespace Ipcs.Oci.Sources;

/// <summary>A content as it is read: its end comes only when length and digest hold. Owns the stream below.</summary>
public sealed class VerifyingStream(Stream inner, Descriptor descriptor) : Stream
{
    private readonly IncrementalHash _hash = IncrementalHash.CreateHash(descriptor.Digest.Hash.Code switch
    {
        Multihash.Sha2_512 => HashAlgorithmName.SHA512,
        Multihash.Sha2_384 => HashAlgorithmName.SHA384,
        _ => HashAlgorithmName.SHA256,
    });

    private long _length;
    private bool _ended;

    /// <inheritdoc/>
    public override bool CanRead => true;

    /// <inheritdoc/>
    public override bool CanSeek => false;

    /// <inheritdoc/>
    public override bool CanWrite => false;

    /// <inheritdoc/>
    public override long Length => throw new NotSupportedException();

    /// <inheritdoc/>
    public override long Position
    {
        get => _length;
        set => throw new NotSupportedException();
    }

    /// <inheritdoc/>
    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) =>
        Check(buffer, await inner.ReadAsync(buffer, cancellationToken));

    /// <inheritdoc/>
    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    /// <inheritdoc/>
    public override int Read(byte[] buffer, int offset, int count) => Check(buffer.AsMemory(offset, count), inner.Read(buffer, offset, count));

    /// <inheritdoc/>
    public override void Flush()
    {
    }

    /// <inheritdoc/>
    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    /// <inheritdoc/>
    public override void SetLength(long value) => throw new NotSupportedException();

    /// <inheritdoc/>
    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

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

    private int Check(ReadOnlyMemory<byte> buffer, int n)
    {
        _length += n;
        if (_length > descriptor.Size)
        {
            throw new ImageSourceException($"{descriptor.Digest} is longer than the {descriptor.Size} bytes that its descriptor says");
        }

        if (n > 0)
        {
            _hash.AppendData(buffer.Span[..n]);
        }
        else if (buffer.Length > 0 && !_ended)
        {
            _ended = true;
            if (_length < descriptor.Size)
            {
                throw new ImageSourceException($"{descriptor.Digest} ends after {_length} of {descriptor.Size} bytes");
            }

            Multihash expected = descriptor.Digest.Hash;
            if (!_hash.GetHashAndReset().AsSpan().SequenceEqual(expected.Digest))
            {
                throw new ImageSourceException($"the bytes of {descriptor.Digest} do not hash to it");
            }
        }

        return n;
    }
}
