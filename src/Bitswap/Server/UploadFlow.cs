namespace Ipcs.Bitswap.Server;

/// <summary>What one peer is sent under the upload rate. Touched only under the pace's lock.</summary>
internal sealed class UploadFlow(Action wake)
{
    /// <summary>Tells its owner that it may send.</summary>
    public Action Wake => wake;

    /// <summary>The bytes that it has asked for or was given.</summary>
    public int Bytes { get; set; }

    /// <summary>Where in the order of all flows what it asks for begins, in bytes.</summary>
    public long Start { get; set; }

    /// <summary>Where what it was given last ends.</summary>
    public long End { get; set; }

    /// <summary>True while it waits.</summary>
    public bool Waits { get; set; }

    /// <summary>True when it may send.</summary>
    public bool MaySend { get; set; }

    /// <summary>True once its peer is gone.</summary>
    public bool Gone { get; set; }
}
