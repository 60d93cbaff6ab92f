namespace Ipcs.Oci;

/// <summary>How far a conversion is. Thread-safe.</summary>
public sealed class TransferProgress
{
    private long _total;
    private long _done;

    /// <summary>Bytes of all contents known so far.</summary>
    public long Total => Interlocked.Read(ref _total);

    /// <summary>Bytes read so far.</summary>
    public long Done => Interlocked.Read(ref _done);

    internal void Expect(long bytes) => Interlocked.Add(ref _total, bytes);

    internal void Advance(long bytes) => Interlocked.Add(ref _done, bytes);

    internal Stream Watch(Stream stream) => new Watched(stream, this);

    private sealed class Watched(Stream inner, TransferProgress progress) : Sources.ForwardStream
    {
        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            int n = await inner.ReadAsync(buffer, cancellationToken);
            progress.Advance(n);
            return n;
        }

        protected override void Dispose(bool disposing)
        {
            if (disposing)
            {
                inner.Dispose();
            }

            base.Dispose(disposing);
        }
    }
}
