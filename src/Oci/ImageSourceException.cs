namespace Ipcs.Oci;

/// <summary>An image can't be had or is not what it claims; the message says what and where.</summary>
public sealed class ImageSourceException(string message, Exception? inner = null) : IOException(message, inner);
