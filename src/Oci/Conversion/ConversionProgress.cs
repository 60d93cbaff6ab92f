using Ipcs.Oci.Sources;

namespace Ipcs.Oci.Conversion;

/// <summary>The progress of a conversion. Thread-safe.</summary>
public sealed class ConversionProgress
{
    private long _total;
    private long _done;

    /// <summary>The bytes of all contents found so far.</summary>
    public long Total => Interlocked.Read(ref _total);

    /// <summary>The bytes read so far.</summary>
    public long Done => Interlocked.Read(ref _done);

    internal void Expect(long bytes) => Interlocked.Add(ref _total, bytes);

    internal void Advance(long bytes) => Interlocked.Add(ref _done, bytes);

    internal Stream CountReads(Stream stream) => new CountedStream(stream, this);

    private sealed class CountedStream(Stream inner, ConversionProgress progress) : ForwardStream
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
