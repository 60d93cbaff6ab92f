namespace Ipcs.Dag;

/// <summary>A known content cannot be fetched now. The message names the digest and the sources tried.</summary>
public sealed class ContentUnavailableException(string message, Exception? inner = null) : IOException(message, inner);
