namespace Ipcs.Dag;

/// <summary>A content that was promised cannot be fetched now; the message names the digest and what was tried.</summary>
public sealed class ContentUnavailableException(string message, Exception? inner = null) : IOException(message, inner);
