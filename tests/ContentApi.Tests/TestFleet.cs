using System.Collections.Concurrent;
using Ipcs.Blockstore;
using Ipcs.ContentApi.Hosting;
using Ipcs.Dag;
using Ipcs.Multiformats;

namespace Ipcs.ContentApi.Tests;

/// <summary>A fleet that a test plays.</summary>
internal sealed class TestFleet(IStore store) : IContentFleet
{
    /// <summary>What it finds.</summary>
    public ConcurrentDictionary<Digest, ContentRecord> Found { get; } = new();

    /// <summary>What it was told to fetch.</summary>
    public ConcurrentQueue<ContentRecord> Fetches { get; } = new();

    /// <summary>What it was asked ahead for.</summary>
    public ConcurrentQueue<Digest> Ahead { get; } = new();

    /// <summary>Set: asking ahead fails by it.</summary>
    public Exception? AheadError { get; set; }

    /// <summary>What a wait for a content waits for.</summary>
    public TaskCompletionSource Whole { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Set once somebody waits.</summary>
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
