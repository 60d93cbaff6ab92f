namespace Ipcs.Libp2p.Muxing;

/// <summary>
/// How many bytes a peer may still send us on a stream, and when to tell it that it may send more. Spent by the connection's reader,
/// granted by whoever reads the stream. Thread-safe.
/// </summary>
internal sealed class ReceiveWindow
{
    /// <summary>What every stream starts with, in bytes; the protocol's own.</summary>
    public const int Start = 256 * 1024;

    /// <summary>The window that a stream grows to when its reader keeps up, in bytes: 1 Gbit/s at 60 ms.</summary>
    public const int Max = 8 << 20;

    private readonly Lock _lock = new();
    private long _credit = Start;
    private int _size = Start;
    private int _read;

    /// <summary>Takes received bytes off; false when the peer has sent more than it may.</summary>
    public bool TrySpend(int bytes)
    {
        lock (_lock)
        {
            _credit -= bytes;
            return _credit >= 0;
        }
    }

    /// <summary>Notes what has been read, and returns how much more to grant: 0 until half of the window has been read.</summary>
    public int Read(int bytes)
    {
        lock (_lock)
        {
            _read += bytes;
            if (_read < _size / 2)
            {
                return 0;
            }

            // A reader that has emptied half of its window keeps up: let more be under way next time.
            int size = Math.Min(Max, _size * 2);
            int grant = _read + size - _size;
            _size = size;
            _read = 0;
            _credit += grant;
            return grant;
        }
    }
}
