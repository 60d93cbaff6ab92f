using System.CommandLine;
using System.Text.Json.Nodes;

namespace Ipcs.CommandLine;

/// <summary>What the program passes to its command line.</summary>
/// <param name="Version">The program's version, such as <c>0.1.0</c>.</param>
/// <param name="Components">The parts of the program with their versions, for <c>version --json</c>.</param>
/// <param name="ApiSocket">The default path of the daemon's control socket.</param>
/// <param name="ContentSocket">The default path of the daemon's content socket.</param>
/// <param name="DaemonCommands">The commands that need the daemon's code: <c>daemon</c>, <c>init</c>, <c>config</c>.</param>
/// <param name="RepoCommands">The commands of the group <c>repo</c> that need the store's code.</param>
/// <param name="Time">The clock of progress displays and of time limits.</param>
public sealed record CliSettings(
    string Version,
    Func<JsonObject> Components,
    string ApiSocket,
    string ContentSocket,
    Func<GlobalOptions, IEnumerable<Command>> DaemonCommands,
    Func<GlobalOptions, IEnumerable<Command>> RepoCommands,
    TimeProvider Time);
