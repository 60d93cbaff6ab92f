using Ipcs.Blockstore;
using Ipcs.Dag;
using Ipcs.Dag.Read;

namespace Ipcs.ContentApi.Reading;

/// <summary>An open content: its reader, and where its blocks come from. Owns both, and keeps it from garbage collection.</summary>
internal sealed class ContentReader(ReaderKey key, DagReader reader, IBlockSource source, GcLease kept) : IAsyncDisposable
{
    public ReaderKey Key { get; } = key;

    public DagReader Reader { get; } = reader;

    public async ValueTask DisposeAsync()
    {
        Reader.Dispose();
        await DisposeAsync(source);
        kept.Dispose();
    }

    /// <summary>Sources that hold a session of the network say so.</summary>
    public static async ValueTask DisposeAsync(IBlockSource? source)
    {
        if (source is IAsyncDisposable asynchronous)
        {
            await asynchronous.DisposeAsync();
        }
        else
        {
            (source as IDisposable)?.Dispose();
        }
    }
}
