using System.Diagnostics;

namespace Ipcs.Blockstore.Rocks;

/// <summary>
/// Refuses blocks while the disk still has space for the writes that must follow: commits, deletions and flushes. Without a reserve one of
/// those would be the first write to fail, after which RocksDB refuses all writes, including those of a garbage collection, until it finds
/// free space again (it checks every five seconds). That also happens when another program uses up the reserve. Thread-safe.
/// </summary>
internal sealed class DiskReserve(string folder, long writeBufferBytes)
{
    // All write buffers: data that is in the WAL and not yet in tables or blob files.
    private const int Buffers = OptionSet.AllWriteBuffers;

    // On a small disk the reserve is at most this fraction (1/8) of it.
    private const int MaxFraction = 8;

    /// <summary>The free space is checked again after this many bytes.</summary>
    private const long Step = 4L << 20;

    private long _granted;

    /// <summary>Takes space for <paramref name="length"/> bytes of blocks.</summary>
    /// <exception cref="StoreException">Only the reserve is left.</exception>
    public void Take(long length)
    {
        Debug.Assert(length >= 0, "space is never given back");
        if (Interlocked.Add(ref _granted, -length) >= 0)
        {
            return;
        }

        DriveInfo disk = new(folder);
        long free = disk.AvailableFreeSpace;
        long reserve = Math.Min(Buffers * writeBufferBytes, disk.TotalSize / MaxFraction);
        long room = free - reserve;
        if (room < length)
        {
            Volatile.Write(ref _granted, 0);
            throw new StoreException(
                $"store {folder}: the disk is full: {free} bytes are free, of which {reserve} are reserved for commits and deletions")
            {
                IsNoSpace = true,
            };
        }

        Volatile.Write(ref _granted, Math.Min(Step, room - length));
    }
}
