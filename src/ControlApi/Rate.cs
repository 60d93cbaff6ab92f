using System.Globalization;
using Ipcs.Multiformats;
using Ipcs.Oci;

namespace Ipcs.ControlApi;

/// <summary>Says how far a transfer is: bytes, rate and the time left.</summary>
internal sealed class Rate(TimeProvider time)
{
    private readonly long _begin = time.GetTimestamp();

    /// <summary>A line for people.</summary>
    public string Describe(TransferProgress progress)
    {
        double seconds = time.GetElapsedTime(_begin).TotalSeconds;
        double rate = progress.Done / Math.Max(seconds, 0.001);
        double left = rate > 0 ? (progress.Total - progress.Done) / rate : 0;
        return string.Create(CultureInfo.InvariantCulture, $"{ByteSize.Format(progress.Done)} of {ByteSize.Format(progress.Total)}, {ByteSize.Format((long)rate)}/s, {left:F0} s left");
    }
}
