using System.Diagnostics;

namespace Ipcs.Libp2p.Muxing;

/// <summary>
/// How many bytes the peer may still send on a stream, and when to grant it more. The connection's reading loop spends, the stream's reader
/// grants. Thread-safe.
/// </summary>
internal sealed class ReceiveWindow
{
    /// <summary>The window in bytes that yamux gives every new stream.</summary>
    public const int Start = 256 * 1024;

    /// <summary>
    /// The window in bytes that a stream grows to while its reader keeps up: enough for 1 Gbit/s at a round trip of 60 ms.
    /// </summary>
    public const int Max = 8 << 20;

    private readonly Lock _lock = new();
    private long _credit = Start;
    private int _size = Start;
    private int _read;

    /// <summary>Takes received bytes from the window; false when the peer has sent more than granted.</summary>
    public bool TrySpend(int bytes)
    {
        lock (_lock)
        {
            _credit -= bytes;
            return _credit >= 0;
        }
    }

    /// <summary>Counts bytes as read, and returns how many more to grant: 0 until half of the window was read.</summary>
    public int Read(int bytes)
    {
        lock (_lock)
        {
            _read += bytes;
            if (_read < _size / 2)
            {
                return 0;
            }

            // The reader has read half of its window, so it keeps up: let more bytes be in flight.
            int size = Math.Min(Max, _size * 2);
            int grant = _read + size - _size;
            _size = size;
            _read = 0;
            _credit += grant;
            Debug.Assert(_size is >= Start and <= Max && grant >= 0 && _credit <= _size, "the credit is never more than the window");
            return grant;
        }
    }
}
