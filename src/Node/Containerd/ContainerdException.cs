namespace Ipcs.Node.Containerd;

/// <summary>containerd refused or did not answer; the message names the call.</summary>
internal sealed class ContainerdException(string message, Exception? inner = null) : IOException(message, inner);
