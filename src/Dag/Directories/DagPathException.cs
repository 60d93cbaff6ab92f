namespace Ipcs.Dag.Directories;

/// <summary>A path leads nowhere.</summary>
public sealed class DagPathException : IOException
{
    /// <summary>Names the entry that is not there and where it was looked for.</summary>
    public DagPathException(string message)
        : base(message)
    {
    }
}
