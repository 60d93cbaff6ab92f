using Ipcs.Blockstore;
using Ipcs.Dag;
using Ipcs.Dag.Read;
using Ipcs.Multiformats;
using Ipcs.Oci;

namespace Ipcs.ControlApi;

/// <summary>Reads image manifests, indexes and configs into memory.</summary>
internal sealed class DocumentReader(IStore store)
{
    /// <summary>Reads a content that is complete in the store.</summary>
    public Task<byte[]> ReadLocalAsync(Digest digest, CancellationToken cancellationToken) => ReadAsync(
        store.Contents.Get(digest) ?? throw new ApiException($"{digest} is not here"), cancellationToken);

    /// <summary>Reads a content whose record is given. All its blocks must be in the store.</summary>
    public async Task<byte[]> ReadAsync(ContentRecord record, CancellationToken cancellationToken)
    {
        if (record.Size > ImageGraph.MaxDocument)
        {
            throw new ApiException($"{record.Digest} has {record.Size} bytes, too many for a manifest or config");
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
