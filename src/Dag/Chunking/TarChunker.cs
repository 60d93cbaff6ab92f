using Ipcs.Dag.UnixFs;

namespace Ipcs.Dag.Chunking;

/// <summary>
/// Cuts an uncompressed tar at the boundaries of its files, so that a file that two archives share has the same blocks in both, whatever
/// its position and header. Files of more than <see cref="SmallFile"/> bytes have their own blocks, cut further by content. Headers and
/// small files between them are grouped; the hash of a name decides where a group ends. Bytes that are not a tar, or follow one, are cut by
/// content. Alternatives tried: docs/decisions/0006-tar-chunker.md.
/// </summary>
/// <remarks>An import cannot resume at a cut inside a file. Used only by the importer that owns it.</remarks>
internal sealed class TarChunker : IChunker
{
    /// <summary>Files of up to this many bytes, including padding, are grouped with their headers.</summary>
    public const int SmallFile = 2048;

    /// <summary>The minimum length of a group in bytes, unless a file with its own blocks follows.</summary>
    private const int MinGroup = 16 << 10;

    /// <summary>A group that has reached this many bytes ends with the next entry.</summary>
    private const int MaxGroup = 64 << 10;

    /// <summary>One name in this many ends a group.</summary>
    private const int GroupEnds = 8;

    /// <summary>The longest body of extended attributes or long names that is grouped; longer ones are cut like files.</summary>
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

    /// <summary>The last piece of a file may be longer by a rest that would be too short for a piece.</summary>
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

            // A stream that is not a tar is cut exactly as by the content chunker alone.
            return _seenEntry || _pieces.FindCut(_header) != 0;
        }

        _seenEntry = true;
        _left = body;
        if (isEntry ? body > SmallFile : body > MaxGroupedBody)
        {
            _state = State.File;
            return true;
        }

        // Depends on the name only, so that a changed time or owner does not move a group's end.
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
        // No cut leaves a rest that is too short for a piece.
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
