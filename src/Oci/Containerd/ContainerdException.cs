namespace Ipcs.Oci.Containerd;

/// <summary>A call to containerd failed; the message names the call.</summary>
public sealed class ContainerdException(string message, Exception? inner = null) : IOException(message, inner);
