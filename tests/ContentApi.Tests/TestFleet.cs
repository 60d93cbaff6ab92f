using System.Collections.Concurrent;
using Ipcs.Blockstore;
using Ipcs.ContentApi.Hosting;
using Ipcs.Dag;
using Ipcs.Multiformats;

namespace Ipcs.ContentApi.Tests;

/// <summary>A fleet whose replies a test sets.</summary>
internal sealed class TestFleet(IStore store) : IContentFleet
{
    /// <summary>The contents that it finds.</summary>
    public ConcurrentDictionary<Digest, ContentRecord> Found { get; } = new();

    /// <summary>The contents whose fetch was started.</summary>
    public ConcurrentQueue<ContentRecord> Fetches { get; } = new();

    /// <summary>The digests looked up ahead.</summary>
    public ConcurrentQueue<Digest> Ahead { get; } = new();

    /// <summary>When set, looking up ahead throws it.</summary>
    public Exception? AheadError { get; set; }

    /// <summary>Completes the waits for contents.</summary>
    public TaskCompletionSource Whole { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Completed by the first wait for a content.</summary>
    public TaskCompletionSource Waited { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public ValueTask<ContentRecord?> FindAsync(Digest digest, CancellationToken cancellationToken) =>
        ValueTask.FromResult(Found.GetValueOrDefault(digest));

    public void StartFetch(ContentRecord content) => Fetches.Enqueue(content);

    public Task WaitAsync(Digest digest, CancellationToken cancellationToken)
    {
        Waited.TrySetResult();
        return Whole.Task.WaitAsync(cancellationToken);
    }

    public IBlockSource SourceFor(ContentRecord content) => new LocalBlockSource(store.Blocks);

    public void LookAhead(IReadOnlyList<Digest> digests)
    {
        foreach (Digest digest in digests)
        {
            Ahead.Enqueue(digest);
        }

        if (AheadError is not null)
        {
            throw AheadError;
        }
    }
}
