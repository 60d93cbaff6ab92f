namespace Ipcs.Fleet;

/// <summary>Every block of a content has its hash, but the content does not have its digest: the peers that gave the root have lied.</summary>
internal sealed class FalseContentException(string message) : IOException(message);
