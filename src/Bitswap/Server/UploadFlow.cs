namespace Ipcs.Bitswap.Server;

/// <summary>The state of one peer in the <see cref="FairUploadScheduler"/>. Accessed only under the scheduler's lock.</summary>
internal sealed class UploadFlow(Action wake)
{
    /// <summary>Called when the flow may send after it had to wait.</summary>
    public Action Wake => wake;

    /// <summary>The number of bytes requested or granted.</summary>
    public int Bytes { get; set; }

    /// <summary>The start tag of the request, in bytes of virtual time.</summary>
    public long Start { get; set; }

    /// <summary>The finish tag of the last grant, in bytes of virtual time.</summary>
    public long End { get; set; }

    /// <summary>True while the flow is queued.</summary>
    public bool Waits { get; set; }

    /// <summary>True from the grant until it is settled.</summary>
    public bool MaySend { get; set; }

    /// <summary>True once the peer has disconnected.</summary>
    public bool Gone { get; set; }
}
