namespace Ipcs.Dag;

/// <summary>A block that is not what its place in the DAG says: undecodable, of the wrong kind, or with sizes that don't add up.</summary>
public sealed class DagFormatException : IOException
{
    /// <summary>Says what is wrong, and with which block.</summary>
    public DagFormatException(string message)
        : base(message)
    {
    }
}
