using Ipcs.CommandLine;

namespace Ipcs.Node.Options;

/// <summary>A value of the config file, the environment or the command line that can't be used; the message names it.</summary>
internal sealed class OptionsException(string message) : UsageException(message);
