namespace Ipcs.Dag.Chunking;

/// <summary>
/// Cuts where a rolling hash of the last bytes has a given form, between a minimum and a maximum length, so that a change in a file does
/// not move the cuts that follow. The hash is reset at each cut and begins with the last bytes before the minimum length.
/// </summary>
/// <remarks>Used only by the importer that owns it.</remarks>
internal abstract class RollingChunker(int window, int min, int max) : IChunker
{
    private readonly byte[] _last = new byte[window];
    private int _open;

    /// <inheritdoc/>
    public int MaxLength => max;

    /// <inheritdoc/>
    public int FindCut(ReadOnlySpan<byte> data)
    {
        int at = 0;
        if (_open < min - window)
        {
            at = Math.Min(min - window - _open, data.Length);
            _open += at;
        }

        if (_open == min - window)
        {
            Start();
        }

        while (_open < min && at < data.Length)
        {
            byte next = data[at++];
            _last[_open++ % window] = next;
            Fill(next);
            if (_open == min && (AtCut || min == max))
            {
                return Cut(at);
            }
        }

        return _open < min ? 0 : Roll(data, at);
    }

    /// <summary>Resets the hash.</summary>
    protected abstract void Start();

    /// <summary>Adds a byte while the window fills.</summary>
    protected abstract void Fill(byte next);

    /// <summary>True when the hash of the window is that of a cut.</summary>
    protected abstract bool AtCut { get; }

    /// <summary>
    /// Moves the window over <paramref name="next"/> until a cut, while the bytes <paramref name="leaving"/> (of the same length) leave it.
    /// Returns the number of bytes up to the cut, or 0.
    /// </summary>
    protected abstract int Slide(ReadOnlySpan<byte> leaving, ReadOnlySpan<byte> next);

    private int Roll(ReadOnlySpan<byte> data, int at)
    {
        int end = Math.Min(data.Length, at + max - _open);

        // Bytes of an earlier piece that leave the window come from the ring, one by one.
        int start = at;
        for (; at < end && at - start < window; at++)
        {
            int slot = _open++ % window;
            byte leaving = _last[slot];
            _last[slot] = data[at];
            if (Slide(new ReadOnlySpan<byte>(in leaving), data.Slice(at, 1)) != 0)
            {
                return Cut(at + 1);
            }
        }

        if (at < end)
        {
            int taken = Slide(data[(at - window)..(end - window)], data[at..end]);
            if (taken != 0)
            {
                return Cut(at + taken);
            }

            _open += end - at;
            at = end;
            for (int i = 1; i <= window; i++)
            {
                _last[(_open - i) % window] = data[at - i];
            }
        }

        return _open == max ? Cut(at) : 0;
    }

    private int Cut(int at)
    {
        _open = 0;
        return at;
    }
}
