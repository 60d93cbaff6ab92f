namespace Ipcs.Oci.Containerd;

/// <summary>containerd refused or did not answer; the message names the call.</summary>
public sealed class ContainerdException(string message, Exception? inner = null) : IOException(message, inner);
