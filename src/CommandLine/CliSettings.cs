using System.CommandLine;

namespace Ipcs.CommandLine;

/// <summary>What the command line takes from the program that it is part of.</summary>
/// <param name="Version">The version of this program, such as <c>0.1.0</c>.</param>
/// <param name="ApiSocket">The default path of the daemon's control socket.</param>
/// <param name="ContentSocket">The default path of the daemon's content socket.</param>
/// <param name="DaemonCommands">The commands that need the daemon's own code: <c>daemon</c>, <c>init</c>, <c>config</c>.</param>
public sealed record CliSettings(string Version, string ApiSocket, string ContentSocket, Func<GlobalOptions, IEnumerable<Command>> DaemonCommands);
