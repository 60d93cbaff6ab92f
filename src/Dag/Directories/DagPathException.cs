namespace Ipcs.Dag.Directories;

/// <summary>A path does not exist.</summary>
public sealed class DagPathException : IOException
{
    /// <summary>Creates an exception whose message names the missing entry and its directory.</summary>
    public DagPathException(string message)
        : base(message)
    {
    }
}
