namespace Ipcs.Node.Options;

/// <summary>The default folders: the system's for root, the XDG folders for other users.</summary>
internal static class DefaultFolders
{
    private static readonly bool IsRoot = Environment.UserName == "root" || Environment.GetEnvironmentVariable("HOME") == "/root";

    /// <summary>The data folder.</summary>
    public static string Data { get; } = IsRoot ? "/var/lib/ipcs" : Path.Combine(Xdg("XDG_DATA_HOME", ".local/share"), "ipcs");

    /// <summary>The folder of the sockets.</summary>
    public static string Run { get; } = IsRoot
        ? "/run/ipcs"
        : Path.Combine(
            Environment.GetEnvironmentVariable("XDG_RUNTIME_DIR") is { Length: > 0 } run ? run : Xdg("XDG_STATE_HOME", ".local/state"),
            "ipcs");

    private static string Xdg(string variable, string fallback) =>
        Environment.GetEnvironmentVariable(variable) is { Length: > 0 } folder
            ? folder
            : Path.Combine(Environment.GetEnvironmentVariable("HOME") ?? "/tmp", fallback);
}
