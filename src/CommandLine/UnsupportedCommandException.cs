namespace Ipcs.CommandLine;

/// <summary>The daemon lacks the command, or can't run it for this client.</summary>
public sealed class UnsupportedCommandException(string message) : CommandException(message);
