namespace Ipcs.Bench.Exchange;

/// <summary>Bytes of a seeded generator: the same for the same seed, and none that could be compressed.</summary>
internal sealed class SeededStream(long length, int seed) : Stream
{
    private readonly Random _random = new(seed);
    private long _left = length;

    public override bool CanRead => true;

    public override bool CanSeek => false;

    public override bool CanWrite => false;

    public override long Length => throw new NotSupportedException();

    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    public override int Read(byte[] buffer, int offset, int count)
    {
        // Whole words, so that the bytes don't depend on how they are asked for.
        int n = (int)Math.Min(_left, count);
        _random.NextBytes(buffer.AsSpan(offset, n));
        _left -= n;
        return n;
    }

    public override void Flush()
    {
    }

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
}
