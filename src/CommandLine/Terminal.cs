using System.Text.Json.Nodes;
using Ipcs.Multiformats;

namespace Ipcs.CommandLine;

/// <summary>
/// All that the commands write for people, and their JSON. Names come from peers, images and files: whatever is inserted into a text is
/// escaped (<see cref="PrintableText"/>), so that it can neither change the state of a terminal nor look like another line.
/// </summary>
public static class Terminal
{
    private const string ClearLine = "\r\x1b[K";

    /// <summary>True when standard error is a terminal: progress is shown only there.</summary>
    public static bool ShowsProgress { get; } = !Console.IsErrorRedirected;

    /// <summary>Writes a line to standard output, or several when the literal parts of the text have line breaks.</summary>
    public static void Line(PrintableHandler text) => Console.Out.WriteLine(text.ToString());

    /// <summary>Writes a string as one line to standard output.</summary>
    public static void Line(string text) => Console.Out.WriteLine(PrintableText.Escape(text));

    /// <summary>Writes the lines of a text to standard output.</summary>
    public static void Lines(string text)
    {
        foreach (string line in text.TrimEnd('\n').Split('\n'))
        {
            Line(line);
        }
    }

    /// <summary>Writes a JSON document as one line to standard output.</summary>
    public static void Json(JsonNode document) => Console.Out.WriteLine(document.ToJsonString());

    /// <summary>Writes the one line of a command that fails to standard error.</summary>
    public static void Error(string message) => Console.Error.WriteLine($"ipcs: {PrintableText.Escape(message.Trim())}");

    /// <summary>Replaces the line of progress on a terminal.</summary>
    public static void Progress(string text)
    {
        if (ShowsProgress)
        {
            Console.Error.Write($"{ClearLine}{PrintableText.Escape(text)}");
        }
    }

    /// <summary>Clears the line of progress on a terminal.</summary>
    public static void ClearProgress()
    {
        if (ShowsProgress)
        {
            Console.Error.Write(ClearLine);
        }
    }
}
