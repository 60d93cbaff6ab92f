namespace Ipcs.CommandLine;

/// <summary>A command failed; its message is the one line on stderr.</summary>
public class CommandException(string message) : Exception(message);

/// <summary>No daemon answers at the socket, which the message names.</summary>
public sealed class NoDaemonException(string message) : CommandException(message);

/// <summary>The daemon has no such command, or can't do it for this client.</summary>
public sealed class UnsupportedCommandException(string message) : CommandException(message);
