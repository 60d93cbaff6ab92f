using System.Text.Json.Nodes;

namespace Ipcs.CommandLine;

/// <summary>
/// Shows the progress lines of a long command in one line of a terminal. Shows nothing when standard error is redirected.
/// </summary>
internal sealed class ProgressDisplay
{
    private bool _shown;

    /// <summary>Shows a line of progress. False when the line is something else.</summary>
    public bool TryShow(JsonNode line)
    {
        bool progress = line["progress"] is not null;
        if (progress)
        {
            Terminal.Progress($"{line["progress"]}");
            _shown = true;
        }
        else if (_shown)
        {
            Terminal.ClearProgress();
            _shown = false;
        }

        return progress;
    }
}
