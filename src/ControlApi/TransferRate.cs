using System.Globalization;
using Ipcs.Multiformats;
using Ipcs.Oci.Conversion;

namespace Ipcs.ControlApi;

/// <summary>Describes a transfer for people: bytes, mean rate and the time left.</summary>
internal sealed class TransferRate(TimeProvider time)
{
    private readonly long _start = time.GetTimestamp();

    /// <summary>A line such as <c>12.0 MB of 48.0 MB, 6.0 MB/s, 6 s left</c>.</summary>
    public string Describe(ConversionProgress progress)
    {
        double seconds = time.GetElapsedTime(_start).TotalSeconds;
        double rate = progress.Done / Math.Max(seconds, 0.001);
        double left = rate > 0 ? (progress.Total - progress.Done) / rate : 0;
        return string.Create(
            CultureInfo.InvariantCulture,
            $"{ByteSize.Format(progress.Done)} of {ByteSize.Format(progress.Total)}, {ByteSize.Format((long)rate)}/s, {left:F0} s left");
    }
}
