namespace Ipcs.Oci;

/// <summary>An image cannot be read or is invalid; the message says what is wrong and where.</summary>
public sealed class ImageSourceException(string message, Exception? inner = null) : IOException(message, inner);
