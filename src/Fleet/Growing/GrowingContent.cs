using System.Buffers;
using System.Diagnostics;
using Ipcs.Fleet.Resolve;
using Ipcs.Multiformats;

namespace Ipcs.Fleet.Growing;

/// <summary>
/// A content that this node is getting. Disposal ends its sharing at once, except when it is whole. Thread-safe.
/// </summary>
public sealed class GrowingContent : IDisposable
{
    /// <summary>The most chunks that are named to peers: those after them are served when the content is whole.</summary>
    public const int MaxChunks = ResolveWire.MaxKnown;

    private const int HashLength = ResolveWire.HashLength;

    private readonly Lock _lock = new();
    private readonly ArrayBufferWriter<byte> _chunks = new(64 * HashLength);
    private readonly string _profile;
    private readonly TimeProvider _time;
    private readonly Action<GrowingContent> _remove;
    private long _written;
    private long? _wholeAt;

    internal GrowingContent(Digest digest, long size, string profile, TimeProvider time, Action<GrowingContent> remove)
    {
        Digest = digest;
        Size = size;
        _profile = profile;
        _time = time;
        _remove = remove;
    }

    /// <summary>The digest that the whole is to have.</summary>
    public Digest Digest { get; }

    /// <summary>The length of the whole in bytes.</summary>
    public long Size { get; }

    /// <summary>When it became whole, a timestamp of the clock; null before.</summary>
    internal long? WholeAt
    {
        get
        {
            lock (_lock)
            {
                return _wholeAt;
            }
        }
    }

    /// <summary>Adds the next chunk, which is stored as a raw block.</summary>
    public void Add(in Multihash chunk)
    {
        Debug.Assert(chunk.Code == Multihash.Sha2_256, "raw leaves have a sha2-256 hash");
        lock (_lock)
        {
            if (_chunks.WrittenCount < MaxChunks * HashLength)
            {
                _chunks.Write(chunk.Digest);
            }
        }
    }

    /// <summary>Sets the number of bytes that are here, those of the open chunk included.</summary>
    public void Advance(long written)
    {
        lock (_lock)
        {
            _written = Math.Min(written, Size);
        }
    }

    /// <summary>The whole is here and has its digest.</summary>
    public void Complete()
    {
        lock (_lock)
        {
            (_written, _wholeAt) = (Size, _time.GetTimestamp());
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (WholeAt is null)
        {
            _remove(this);
        }
    }

    internal GrowingPart Part(int from, int most)
    {
        lock (_lock)
        {
            int count = Math.Clamp((_chunks.WrittenCount / HashLength) - from, 0, most);
            ReadOnlySpan<byte> next = count == 0 ? [] : _chunks.WrittenSpan.Slice(from * HashLength, count * HashLength);
            return new GrowingPart(Digest, Size, _profile, _written, ResolveWire.ChunksOf(next));
        }
    }
}
