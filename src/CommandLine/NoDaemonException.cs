namespace Ipcs.CommandLine;

/// <summary>No daemon listens on the control socket, which the message names.</summary>
public sealed class NoDaemonException(string message) : CommandException(message);
