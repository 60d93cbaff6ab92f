namespace Ipcs.CommandLine;

/// <summary>A value in the command line, the environment or the config file is invalid: exit status 2. The message names it.</summary>
public class UsageException(string message) : Exception(message);
