using System.Buffers;
using Ipcs.Multiformats;

namespace Ipcs.Dag.Read;

/// <summary>
/// Reads a UnixFS file (or a raw block) from any offset. Caches inner nodes within a bound and keeps the last leaf, so that small
/// sequential reads get each leaf once. Requests leaves ahead of sequential reads. For one caller at a time.
/// </summary>
public sealed class DagReader : IAsyncDisposable, IDisposable
{
    /// <summary>The depth of the deepest DAG. A balanced file with two children per node would have 2^64 leaves.</summary>
    public const int MaxDepth = 64;

    /// <summary>The default number of leaves requested ahead of sequential reads; 0 for a local source.</summary>
    public const int DefaultReadAhead = 4;

    /// <summary>The most leaves requested ahead; each may take 2 MiB of memory.</summary>
    public const int MaxReadAhead = 32;

    private readonly IBlockSource _source;
    private readonly InnerNode? _root;
    private readonly NodeCache _cache = new();
    private readonly ReadAhead _ahead;

    private IMemoryOwner<byte>? _leafOwner;
    private ReadOnlyMemory<byte> _leaf;
    private Cid _leafCid;
    private long _leafStart;
    private int _busy;
    private bool _disposed;

    private DagReader(Cid root, IBlockSource source, int readAhead, IMemoryOwner<byte> block, in FileBlock parsed)
    {
        Root = root;
        _source = source;
        Length = parsed.Length;
        _ahead = new ReadAhead(source, readAhead);
        if (parsed.Links.Length > 0)
        {
            _root = new InnerNode(parsed, block.Memory.Span);
            block.Dispose();
        }
        else
        {
            SetLeaf(root, 0, block, parsed);
        }
    }

    /// <summary>The root.</summary>
    public Cid Root { get; }

    /// <summary>The length of the file, in bytes.</summary>
    public long Length { get; }

    /// <summary>Gets the root and opens the file, with <see cref="DefaultReadAhead"/> unless the source is local.</summary>
    /// <exception cref="BlockNotFoundException">The root cannot be found.</exception>
    /// <exception cref="DagFormatException">The root is not a file.</exception>
    public static Task<DagReader> OpenAsync(Cid root, IBlockSource source, CancellationToken cancellationToken) =>
        OpenAsync(root, source, source is LocalBlockSource ? 0 : DefaultReadAhead, cancellationToken);

    /// <summary>Gets the root and opens the file.</summary>
    /// <param name="root">The root: raw, or dag-pb with a UnixFS file.</param>
    /// <param name="source">Gives the blocks.</param>
    /// <param name="readAhead">The number of leaves to request ahead of sequential reads, 0 to <see cref="MaxReadAhead"/>.</param>
    /// <param name="cancellationToken">Stops the wait for the root.</param>
    /// <exception cref="BlockNotFoundException">The root cannot be found.</exception>
    /// <exception cref="DagFormatException">The root is not a file.</exception>
    public static async Task<DagReader> OpenAsync(Cid root, IBlockSource source, int readAhead, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(readAhead);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(readAhead, MaxReadAhead);
        IMemoryOwner<byte> block = await BlockGetter.GetAsync(source, root, cancellationToken);
        try
        {
            return new DagReader(root, source, readAhead, block, FileBlock.Parse(root, block.Memory.Span));
        }
        catch
        {
            block.Dispose();
            throw;
        }
    }

    /// <summary>
    /// Fills <paramref name="buffer"/> from <paramref name="offset"/> up to the end of the file; returns 0 at the end and beyond. Does not
    /// allocate while the bytes are in the current leaf.
    /// </summary>
    /// <exception cref="BlockNotFoundException">A block cannot be found; others can still be read.</exception>
    /// <exception cref="DagFormatException">The DAG is not a file, or its sizes are inconsistent.</exception>
    /// <exception cref="InvalidOperationException">Another read is running.</exception>
    public ValueTask<int> ReadAsync(long offset, Memory<byte> buffer, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        Enter();
        if (offset >= Length || buffer.IsEmpty)
        {
            Leave();
            return ValueTask.FromResult(0);
        }

        if (LeafHas(offset) && (_leaf.Length - (offset - _leafStart) >= buffer.Length || LeafEnd == Length))
        {
            int n = CopyLeaf(offset, buffer.Span);
            Leave();
            return ValueTask.FromResult(n);
        }

        return ReadSlowlyAsync(offset, buffer, cancellationToken);
    }

    /// <summary>
    /// Passes the bytes from <paramref name="offset"/> to a callback, leaf by leaf and without a copy, up to <paramref name="length"/> or
    /// the end.
    /// </summary>
    /// <param name="write">Receives each piece, which is valid until it returns.</param>
    /// <param name="offset">The offset of the first byte.</param>
    /// <param name="length">The maximum number of bytes.</param>
    /// <param name="cancellationToken">Stops the read.</param>
    /// <returns>The number of bytes passed.</returns>
    /// <exception cref="BlockNotFoundException">A block cannot be found.</exception>
    /// <exception cref="DagFormatException">The DAG is not a file, or its sizes are inconsistent.</exception>
    public async ValueTask<long> CopyToAsync(
        Func<ReadOnlyMemory<byte>, CancellationToken, ValueTask> write, long offset, long length, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        Enter();
        try
        {
            long done = 0;
            while (done < length && offset < Length)
            {
                cancellationToken.ThrowIfCancellationRequested();
                if (!LeafHas(offset))
                {
                    await LoadLeafAsync(offset, cancellationToken);
                }

                ReadOnlyMemory<byte> piece = _leaf[(int)(offset - _leafStart)..];
                piece = piece[..(int)Math.Min(piece.Length, length - done)];
                await write(piece, cancellationToken);
                offset += piece.Length;
                done += piece.Length;
            }

            return done;
        }
        finally
        {
            Leave();
        }
    }

    /// <summary>Writes the bytes from <paramref name="offset"/> to a stream, up to <paramref name="length"/> or the end.</summary>
    /// <returns>The number of bytes written.</returns>
    /// <exception cref="BlockNotFoundException">A block cannot be found.</exception>
    /// <exception cref="DagFormatException">The DAG is not a file, or its sizes are inconsistent.</exception>
    public ValueTask<long> CopyToAsync(Stream destination, long offset, long length, CancellationToken cancellationToken) =>
        CopyToAsync(destination.WriteAsync, offset, length, cancellationToken);

    /// <summary>Releases the current leaf and the blocks requested ahead.</summary>
    public void Dispose()
    {
        if (_disposed)
        {
            return;
        }

        _disposed = true;
        _ahead.Dispose();
        _leafOwner?.Dispose();
        _leafOwner = null;
        _leaf = default;
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        Dispose();
        await _ahead.DisposeAsync();
    }

    private long LeafEnd => _leafStart + _leaf.Length;

    private bool LeafHas(long offset) => offset >= _leafStart && offset < LeafEnd;

    private void Enter()
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        if (Interlocked.Exchange(ref _busy, 1) != 0)
        {
            throw new InvalidOperationException("another read of this DagReader is running");
        }
    }

    private void Leave() => Volatile.Write(ref _busy, 0);

    private int CopyLeaf(long offset, Span<byte> destination)
    {
        ReadOnlySpan<byte> rest = _leaf.Span[(int)(offset - _leafStart)..];
        int n = Math.Min(rest.Length, destination.Length);
        rest[..n].CopyTo(destination);
        return n;
    }

    private async ValueTask<int> ReadSlowlyAsync(long offset, Memory<byte> buffer, CancellationToken cancellationToken)
    {
        try
        {
            int filled = 0;
            while (filled < buffer.Length && offset < Length)
            {
                if (!LeafHas(offset))
                {
                    await LoadLeafAsync(offset, cancellationToken);
                }

                int n = CopyLeaf(offset, buffer.Span[filled..]);
                filled += n;
                offset += n;
            }

            return filled;
        }
        finally
        {
            Leave();
        }
    }

    /// <summary>Makes the leaf with the byte at <paramref name="offset"/> the current leaf.</summary>
    private async ValueTask LoadLeafAsync(long offset, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        bool sequential = offset == LeafEnd;
        if (!sequential)
        {
            _ahead.Clear();
        }

        InnerNode node = _root!;
        long start = 0;
        for (int depth = 1; depth <= MaxDepth; depth++)
        {
            if (offset - start < node.Inline.Length)
            {
                SetLeaf(default, start, null, node.Inline);
                return;
            }

            (Cid cid, long childStart, long length) = node.Child(offset - start);
            start += childStart;
            if (_cache.Get(cid) is { } cached)
            {
                CheckLength(cid, cached.Length, length);
                node = cached;
                continue;
            }

            if (cid == _leafCid && _leafOwner is not null)
            {
                // The same block as before, as in a file of zeros.
                CheckLength(cid, _leaf.Length, length);
                _leafStart = start;
                return;
            }

            ValueTask<IMemoryOwner<byte>> pending = _ahead.TakeAsync(cid, cancellationToken);
            if (sequential)
            {
                TopUp(start + length, cid);
            }

            IMemoryOwner<byte> block = await pending;
            bool adopted = false;
            try
            {
                FileBlock parsed = FileBlock.Parse(cid, block.Memory.Span);
                CheckLength(cid, parsed.Length, length);
                if (parsed.Links.Length == 0)
                {
                    SetLeaf(cid, start, block, parsed);
                    adopted = true;
                    return;
                }

                node = new InnerNode(parsed, block.Memory.Span);
                _cache.Add(cid, node);
            }
            finally
            {
                if (!adopted)
                {
                    block.Dispose();
                }
            }
        }

        throw new DagFormatException($"the DAG under {Root} is deeper than {MaxDepth}");
    }

    /// <summary>Requests the blocks of the file from <paramref name="position"/> on, up to the bound.</summary>
    private void TopUp(long position, Cid current)
    {
        for (int looked = 0; looked < 2 * MaxReadAhead && position < Length && _ahead.HasRoom; looked++)
        {
            InnerNode node = _root!;
            long start = 0;
            for (int depth = 1; ; depth++)
            {
                if (depth > MaxDepth)
                {
                    return;
                }

                if (position - start < node.Inline.Length)
                {
                    position = start + node.Inline.Length;
                    break;
                }

                (Cid cid, long childStart, long length) = node.Child(position - start);
                start += childStart;
                if (_cache.Get(cid) is { } cached)
                {
                    // Inconsistent sizes are an error only when the node is read.
                    if (cached.Length != length)
                    {
                        return;
                    }

                    node = cached;
                    continue;
                }

                // Longer than any leaf, so an inner node: its children can be requested once it has arrived.
                bool inner = length > Blockstore.IBlockstore.MaxBlockLength;
                if (cid != current && cid != _leafCid)
                {
                    _ahead.Ask(cid);
                }

                if (inner
                    && _ahead.TryPeek(cid, out ReadOnlyMemory<byte> bytes)
                    && FileBlock.TryParse(cid.Codec, bytes.Span, out FileBlock parsed) is null
                    && parsed.Length == length)
                {
                    node = new InnerNode(parsed, bytes.Span);
                    _cache.Add(cid, node);
                    _ahead.Drop(cid);
                    continue;
                }

                if (inner)
                {
                    return;
                }

                position = start + length;
                break;
            }
        }
    }

    private void SetLeaf(Cid cid, long start, IMemoryOwner<byte> owner, in FileBlock parsed)
    {
        SetLeaf(cid, start, owner, owner.Memory.Slice(parsed.DataStart, parsed.DataLength));
    }

    private void SetLeaf(Cid cid, long start, IMemoryOwner<byte>? owner, ReadOnlyMemory<byte> bytes)
    {
        _leafOwner?.Dispose();
        _leafOwner = owner;
        _leaf = bytes;
        _leafCid = cid;
        _leafStart = start;
    }

    private static void CheckLength(Cid cid, long actual, long expected)
    {
        if (actual != expected)
        {
            throw new DagFormatException($"block {cid} has {actual} bytes of the file, but its parent says {expected}");
        }
    }
}
