using Ipcs.Blockstore;
using Ipcs.Dag;
using Ipcs.Dag.Read;
using Ipcs.Multiformats;
using Ipcs.Oci;

namespace Ipcs.ControlApi;

/// <summary>Reads manifests, indexes and configs whole.</summary>
internal sealed class ContentDocuments(IStore store)
{
    /// <summary>Reads one that is whole in the store.</summary>
    public Task<byte[]> ReadHereAsync(Digest digest, CancellationToken cancellationToken) => ReadAsync(
        store.Contents.Get(digest) ?? throw new ApiException($"{digest} is not here"), cancellationToken);

    /// <summary>Reads one whose record says that it is whole.</summary>
    public async Task<byte[]> ReadAsync(ContentRecord record, CancellationToken cancellationToken)
    {
        if (record.Size > ImageGraph.MaxDocument)
        {
            throw new ApiException($"{record.Digest} has {record.Size} bytes: that is no manifest");
        }

        await using DagReader reader = await DagReader.OpenAsync(record.Root, new LocalBlockSource(store.Blocks), 0, cancellationToken);
        byte[] bytes = new byte[record.Size];
        int done = 0;
        while (done < bytes.Length)
        {
            int n = await reader.ReadAsync(done, bytes.AsMemory(done), cancellationToken);
            done += n > 0 ? n : throw new DagFormatException($"{record.Digest} ends early");
        }

        return bytes;
    }
}
