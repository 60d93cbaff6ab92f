namespace Ipcs.Dag;

/// <summary>A block cannot be decoded, is of the wrong kind for its place in the DAG, or has inconsistent sizes.</summary>
public sealed class DagFormatException : IOException
{
    /// <summary>Creates an exception whose message names the block and the problem.</summary>
    public DagFormatException(string message)
        : base(message)
    {
    }
}
