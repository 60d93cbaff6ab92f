namespace Ipcs.Libp2p.Muxing;

/// <summary>Writes the head of a data frame of <paramref name="length"/> bytes; returns the length of the head.</summary>
internal delegate int FrameHead<in T>(T state, int length, Span<byte> output);

/// <summary>Limits that hold for the frame heads of every muxer.</summary>
internal static class FrameHead
{
    /// <summary>The longest head in bytes: mplex's, with two varints.</summary>
    public const int MaxLength = 20;
}
