namespace Ipcs.Fleet;

/// <summary>The whole of a content came, every block true to its hash, and is not what its digest names: whoever vouched for the root has lied.</summary>
internal sealed class FalseContentException(string message) : IOException(message);
