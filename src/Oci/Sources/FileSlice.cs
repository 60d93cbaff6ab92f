using System.Diagnostics;

namespace Ipcs.Oci.Sources;

/// <summary>The next <c>length</c> bytes of a stream, which it owns.</summary>
internal sealed class FileSlice(Stream inner, long length) : ForwardStream
{
    private long _left = length;

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        if (_left == 0)
        {
            return 0;
        }

        int n = await inner.ReadAsync(buffer[..(int)Math.Min(buffer.Length, _left)], cancellationToken);
        _left -= n;
        Debug.Assert(_left >= 0, "the slice does not read past its end");
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
