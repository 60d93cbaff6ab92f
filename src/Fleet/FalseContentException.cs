namespace Ipcs.Fleet;

/// <summary>
/// Every block of a fetched content has its hash, but the whole content does not have its digest: the peers that named the root sent a
/// false record.
/// </summary>
internal sealed class FalseContentException(string message) : IOException(message);
