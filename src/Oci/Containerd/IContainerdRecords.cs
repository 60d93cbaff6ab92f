namespace Ipcs.Oci.Containerd;

/// <summary>containerd's own records of contents and images, in all its namespaces.</summary>
public interface IContainerdRecords
{
    /// <summary>Reads all records.</summary>
    /// <exception cref="ContainerdException">A call failed, or containerd has a content store of its own.</exception>
    Task<Recorded> ReadAsync(CancellationToken cancellationToken);

    /// <summary>
    /// Deletes the record of a content that containerd cannot read, so that the next pull in that namespace writes it anew. What containerd
    /// keeps only because of the content stays for a day.
    /// </summary>
    /// <exception cref="ContainerdException">containerd can read the content, or a call failed.</exception>
    Task DropAsync(RecordedContent content, CancellationToken cancellationToken);
}
