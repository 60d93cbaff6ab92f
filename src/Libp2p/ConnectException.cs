namespace Ipcs.Libp2p;

/// <summary>A connection could not be made, or a stream could not be opened.</summary>
public sealed class ConnectException : IOException
{
    /// <summary>Creates the exception with a message of one line.</summary>
    public ConnectException(string message, Exception? inner = null)
        : base(message, inner)
    {
    }
}
