namespace Ipcs.Blockstore.Rocks;

/// <summary>
/// Refuses blocks while there is still room on the disk for what follows them: commits, deletions and flushes. Without it the first write that
/// fails is one of those, and RocksDB then refuses all writes, a garbage collection's too, until it sees room again (it looks every five
/// seconds). Should another program take the reserve, that is what happens. Thread-safe.
/// </summary>
internal sealed class DiskReserve(string folder, long writeBufferBytes)
{
    // All write buffers: what is in the log and has yet to be written to its place.
    private const int Buffers = OptionSet.AllWriteBuffers;

    // A small disk keeps less: this part of it.
    private const int Part = 8;

    /// <summary>The disk is looked at again after so many bytes.</summary>
    private const long Step = 4L << 20;

    private long _granted;

    /// <summary>Takes room for so many bytes of blocks.</summary>
    /// <exception cref="StoreException">There is none.</exception>
    public void Take(long length)
    {
        if (Interlocked.Add(ref _granted, -length) >= 0)
            return;
        DriveInfo disk = new(folder);
        long free = disk.AvailableFreeSpace;
        long reserve = Math.Min(Buffers * writeBufferBytes, disk.TotalSize / Part);
        long room = free - reserve;
        if (room < length)
        {
            Volatile.Write(ref _granted, 0);
            throw new StoreException($"store {folder}: the disk is full: {free} bytes are left, of which {reserve} are kept for commits and deletions")
            {
                IsNoSpace = true,
            };
        }

        Volatile.Write(ref _granted, Math.Min(Step, room - length));
    }
}
