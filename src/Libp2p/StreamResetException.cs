namespace Ipcs.Libp2p;

/// <summary>The stream was reset by either side, or its connection has ended.</summary>
public sealed class StreamResetException : IOException
{
    /// <summary>Creates the exception with a message of one line.</summary>
    public StreamResetException(string message, Exception? inner = null)
        : base(message, inner)
    {
    }
}
