using Ipcs.CommandLine;

namespace Ipcs.Node.Options;

/// <summary>A key or value of the config file, the environment or the command line is invalid; the message names it.</summary>
internal sealed class OptionsException(string message) : UsageException(message);
