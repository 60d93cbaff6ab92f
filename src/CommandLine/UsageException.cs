namespace Ipcs.CommandLine;

/// <summary>The command line, the environment or the config file is wrong: exit status 2. The message names the value.</summary>
public class UsageException(string message) : Exception(message);
