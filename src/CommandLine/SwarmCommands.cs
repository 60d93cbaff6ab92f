using System.CommandLine;
using System.Globalization;
using System.Text.Json.Nodes;

namespace Ipcs.CommandLine;

/// <summary><c>swarm peers|connect|disconnect</c>, <c>ping</c> and <c>perf</c>.</summary>
internal static class SwarmCommands
{
    private const long DefaultPerfBytes = 256 << 20;

    /// <summary>Builds the commands.</summary>
    public static IEnumerable<Command> Build(GlobalOptions global)
    {
        yield return NodeCommands.Group("swarm", "connections to peers", [
            NodeCommands.Simple(global, "peers", "list the connected peers", "swarm/peers", PrintPeers),
            NodeCommands.WithArg(global, "connect", "connect to a peer", "swarm/connect", "MULTIADDR", PrintStrings),
            NodeCommands.WithArg(global, "disconnect", "close the connections to a peer", "swarm/disconnect", "PEER", PrintStrings)]);
        yield return Ping(global);
        yield return Perf(global);
    }

    private static Command Ping(GlobalOptions global)
    {
        var command = new Command("ping", "measure the round-trip time to a peer");
        var peer = new Argument<string>("PEER");
        Option<long?> count = OptionValues.Number("--count", "-n", "the number of pings (default 10)", "N", min: 1, fallback: 10);
        command.Arguments.Add(peer);
        command.Options.Add(count);
        command.SetAction(async (parsed, cancellationToken) =>
        {
            using ApiClient client = global.Client(parsed);
            var query = GlobalOptions.Query(
                ("arg", parsed.GetRequiredValue(peer)),
                ("count", parsed.GetValue(count)?.ToString(CultureInfo.InvariantCulture)));
            await foreach (JsonNode line in client.LinesAsync("ping", query, body: null, cancellationToken))
            {
                global.Print(parsed, line, l => Terminal.Line(
                    string.Create(CultureInfo.InvariantCulture, $"Pong received: time={l["Time"]!.GetValue<long>() / 1e6:F2} ms")));
            }

            return 0;
        });
        return command;
    }

    private static Command Perf(GlobalOptions global)
    {
        var command = new Command("perf", "measure the throughput to a peer in both directions");
        var peer = new Argument<string>("PEER");
        Option<long?> upload = OptionValues.Number("--upload", null, "how many bytes to send", "BYTES", min: 0, DefaultPerfBytes);
        Option<long?> download = OptionValues.Number("--download", null, "how many bytes to receive", "BYTES", min: 0, DefaultPerfBytes);
        command.Arguments.Add(peer);
        command.Options.Add(upload);
        command.Options.Add(download);
        command.SetAction(async (parsed, cancellationToken) =>
        {
            using ApiClient client = global.Client(parsed);
            var query = GlobalOptions.Query(
                ("arg", parsed.GetRequiredValue(peer)),
                ("upload", parsed.GetValue(upload)?.ToString(CultureInfo.InvariantCulture)),
                ("download", parsed.GetValue(download)?.ToString(CultureInfo.InvariantCulture)));
            global.Print(parsed, await client.CallAsync("ipcs/perf", query, cancellationToken), PrintPerf);
            return 0;
        });
        return command;
    }

    private static void PrintPerf(JsonNode answer)
    {
        foreach ((string label, string way) in new[] { ("sent", "Upload"), ("received", "Download") })
        {
            long bytes = answer[way + "Bytes"]!.GetValue<long>();
            double seconds = answer[way + "Seconds"]!.GetValue<double>();
            double rate = bytes / Math.Max(seconds, 1e-9) / (1 << 20);
            Terminal.Line(string.Create(
                CultureInfo.InvariantCulture, $"{label,-9} {bytes} bytes in {seconds:F3} s, {rate:F1} MiB/s"));
        }
    }

    private static void PrintPeers(JsonNode answer)
    {
        foreach (JsonNode? peer in answer["Peers"]!.AsArray())
        {
            Terminal.Line($"{peer!["Addr"]}/p2p/{peer["Peer"]}");
        }
    }

    private static void PrintStrings(JsonNode answer)
    {
        foreach (JsonNode? line in answer["Strings"]!.AsArray())
        {
            Terminal.Line(line!.ToString());
        }
    }
}
