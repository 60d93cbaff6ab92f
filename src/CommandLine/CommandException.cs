namespace Ipcs.CommandLine;

/// <summary>A command failed. The message is printed as one line on standard error.</summary>
public class CommandException(string message) : Exception(message);
