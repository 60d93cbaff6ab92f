using System.Text.Json.Nodes;

namespace Ipcs.CommandLine;

/// <summary>Progress lines of a long command: shown in place on a terminal, kept quiet when piped.</summary>
internal sealed class ProgressDisplay
{
    private bool _shown;

    /// <summary>True when the line is one of progress, which is then done with.</summary>
    public bool Shows(JsonNode line)
    {
        bool progress = line["progress"] is not null;
        if (Console.IsErrorRedirected)
        {
            return progress;
        }

        if (progress)
        {
            Console.Error.Write($"\r\x1b[K{line["progress"]}");
            _shown = true;
        }
        else if (_shown)
        {
            Console.Error.Write("\r\x1b[K");
            _shown = false;
        }

        return progress;
    }
}
