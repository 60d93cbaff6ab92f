namespace Ipcs.Node.Daemon;

/// <summary>Who reads the log.</summary>
internal enum LogTarget
{
    /// <summary>A file or another program.</summary>
    File,

    /// <summary>A person at a terminal.</summary>
    Terminal,

    /// <summary>The journal of systemd.</summary>
    Journal,
}
