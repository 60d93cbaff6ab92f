using System.Collections.Concurrent;
using Ipcs.Blockstore;
using Ipcs.ContentApi.Hosting;
using Ipcs.Dag;
using Ipcs.Multiformats;

namespace Ipcs.ContentApi.Tests;

/// <summary>A fleet whose replies a test sets.</summary>
internal sealed class TestFleet(IStore store) : IContentFleet
{
    /// <summary>Completes the fetches of contents; a digest that is not here is absent at once.</summary>
    public ConcurrentDictionary<Digest, Task<ContentRecord?>> Fetched { get; } = new();

    /// <summary>The digests that Writes waited for.</summary>
    public ConcurrentQueue<Digest> Asked { get; } = new();

    /// <summary>Reports progress of the last fetch that was asked for.</summary>
    public Action<long> Progress { get; private set; } = _ => { };

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

    /// <summary>The contents whose chunks peers saw while they were written.</summary>
    public ConcurrentQueue<Growing> Shared { get; } = new();

    public Task<ContentRecord?> FetchAsync(Digest digest, Action<long> onProgress, CancellationToken cancellationToken)
    {
        Progress = onProgress;
        Asked.Enqueue(digest);
        return Fetched.TryGetValue(digest, out Task<ContentRecord?>? fetched)
            ? fetched.WaitAsync(cancellationToken)
            : Task.FromResult<ContentRecord?>(null);
    }

    public void StartFetch(ContentRecord content) => Fetches.Enqueue(content);

    public Task WaitAsync(Digest digest, CancellationToken cancellationToken)
    {
        Waited.TrySetResult();
        return Whole.Task.WaitAsync(cancellationToken);
    }

    public IBlockSource SourceFor(ContentRecord content) => new LocalBlockSource(store.Blocks);

    public IGrowingContent? BeginGrowing(Digest digest, long size)
    {
        var content = new Growing(digest, size);
        Shared.Enqueue(content);
        return content;
    }

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

    internal sealed class Growing(Digest digest, long size) : IGrowingContent
    {
        public Digest Digest => digest;

        public long Size => size;

        public ConcurrentQueue<Cid> Chunks { get; } = new();

        public long Written { get; private set; }

        public bool IsWhole { get; private set; }

        public bool IsOver { get; private set; }

        public void Add(Cid chunk) => Chunks.Enqueue(chunk);

        public void Advance(long written) => Written = written;

        public void Complete() => IsWhole = true;

        public void Dispose() => IsOver = true;
    }
}
