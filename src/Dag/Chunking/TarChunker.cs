using Ipcs.Dag.UnixFs;

namespace Ipcs.Dag.Chunking;

/// <summary>
/// Cuts an uncompressed tar at the boundaries of its files, so that a file that two archives share is the same blocks in both, wherever it
/// stands and whatever its header says. Files of more than <see cref="SmallFile"/> bytes have blocks of their own, cut further by content; what is between
/// them (headers and small files) is grouped, and groups end where a name says so. What is no tar, or goes on after one, is cut by content.
/// What was tried: docs/decisions/0006-tar-chunker.md.
/// </summary>
/// <remarks>A cut inside a file is not a place to resume from. Touched only by the one importer that owns it.</remarks>
internal sealed class TarChunker : IChunker
{
    /// <summary>Files of up to this many bytes, with their padding, are grouped with their headers.</summary>
    public const int SmallFile = 2048;

    /// <summary>No group ends under this many bytes, unless a file with blocks of its own follows.</summary>
    private const int MinGroup = 16 << 10;

    /// <summary>Every group of this many bytes ends with the next entry.</summary>
    private const int MaxGroup = 64 << 10;

    /// <summary>One of so many names ends a group.</summary>
    private const int GroupEnds = 8;

    /// <summary>The longest body (of attributes, of long names) that is grouped: more is cut as if it were a file's.</summary>
    private const int MaxGroupedBody = 64 << 10;

    private const int MinPiece = 64 << 10;
    private const int MaxPiece = 512 << 10;
    private const int PieceBits = 16;

    private readonly byte[] _header = new byte[TarHeader.Length];
    private BuzhashChunker _pieces = NewPieces();
    private State _state;
    private int _headerLength;
    private long _left;
    private int _group;
    private bool _endsGroup;
    private bool _seenEntry;

    private enum State
    {
        Header,
        Grouped,
        File,
        NoTar,
    }

    /// <summary>The last piece of a file may be longer than others by what would be too short a piece.</summary>
    public const int LongestChunk = MaxPiece + MinPiece;

    /// <inheritdoc/>
    public int MaxLength => LongestChunk;

    /// <inheritdoc/>
    public int FindCut(ReadOnlySpan<byte> data)
    {
        for (int at = 0; at < data.Length;)
        {
            bool cut = _state switch
            {
                State.Header => TakeHeader(data, ref at),
                State.Grouped => TakeGrouped(data, ref at),
                State.File => TakeFile(data, ref at),
                _ => TakeRest(data, ref at),
            };
            if (cut)
            {
                _group = 0;
                return at;
            }
        }

        return 0;
    }

    private bool TakeHeader(ReadOnlySpan<byte> data, ref int at)
    {
        int n = Math.Min(TarHeader.Length - _headerLength, data.Length - at);
        data.Slice(at, n).CopyTo(_header.AsSpan(_headerLength));
        at += n;
        _group += n;
        _headerLength += n;
        if (_headerLength < TarHeader.Length)
        {
            return false;
        }

        _headerLength = 0;
        if (!TarHeader.TryRead(_header, out bool isEntry, out long body))
        {
            _state = State.NoTar;

            // What was never a tar is cut as if nobody had looked for one.
            return _seenEntry || _pieces.FindCut(_header) != 0;
        }

        _seenEntry = true;
        _left = body;
        if (isEntry ? body > SmallFile : body > MaxGroupedBody)
        {
            _state = State.File;
            return true;
        }

        // By the name alone, so that a new time or owner moves no group.
        _endsGroup = isEntry && Murmur3.Hash64(_header.AsSpan(0, 100)) % GroupEnds == 0;
        _state = State.Grouped;
        return body == 0 && EndGrouped();
    }

    private bool TakeGrouped(ReadOnlySpan<byte> data, ref int at)
    {
        int n = (int)Math.Min(_left, data.Length - at);
        at += n;
        _group += n;
        _left -= n;
        return _left == 0 && EndGrouped();
    }

    private bool EndGrouped()
    {
        _state = State.Header;
        return _group >= MaxGroup || (_group >= MinGroup && _endsGroup);
    }

    private bool TakeFile(ReadOnlySpan<byte> data, ref int at)
    {
        // The last bytes stay with the piece before: no cut leaves too little for a piece.
        bool ending = _left <= MinPiece;
        int n = (int)Math.Min(ending ? _left : _left - MinPiece, data.Length - at);
        int cut = ending ? 0 : _pieces.FindCut(data.Slice(at, n));
        n = cut == 0 ? n : cut;
        at += n;
        _left -= n;
        if (_left == 0)
        {
            _state = State.Header;
            _pieces = NewPieces();
            return true;
        }

        return cut != 0;
    }

    private bool TakeRest(ReadOnlySpan<byte> data, ref int at)
    {
        int cut = _pieces.FindCut(data[at..]);
        at = cut == 0 ? data.Length : at + cut;
        return cut != 0;
    }

    private static BuzhashChunker NewPieces() => new(MinPiece, MaxPiece, PieceBits);
}
