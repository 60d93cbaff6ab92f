using System.Security.Cryptography;
using Ipcs.Bitswap.Client;
using Ipcs.Blockstore;
using Ipcs.Dag;
using Ipcs.Dag.Read;
using Ipcs.Multiformats;

namespace Ipcs.Fleet;

/// <summary>
/// The fetch of one content from one of the roots that peers claim for it: <see cref="DagFetch"/> fetches the blocks; for a blob, a reader
/// follows them in order and hashes the bytes, so that the whole is verified soon after the last block. Owns its session.
/// </summary>
internal sealed class RootFetch : IAsyncDisposable
{
    private readonly IBlockstore _blocks;
    private readonly BitswapSession _session;
    private readonly TaskScheduler _work;
    private readonly Action<long> _onProgress;

    /// <summary>Opens a session for the fetch.</summary>
    /// <param name="services">What it works with.</param>
    /// <param name="record">The record of the content, as peers claim it.</param>
    /// <param name="patience">How long peers may send less than a fair rate; null to wait as long as blocks come at any rate.</param>
    /// <param name="withFailed">True when peers that failed to send the content lately are asked too.</param>
    /// <param name="onProgress">Called with the number of bytes hashed.</param>
    public RootFetch(
        FetchServices services, ContentRecord record, TimeSpan? patience, bool withFailed, Action<long> onProgress)
    {
        _onProgress = onProgress;
        _work = services.Work;
        Record = record;
        _blocks = services.Store.Blocks;
        _session = services.Bitswap.CreateSession(patience);
        Sources = new FetchSources(services, record.Digest, record.Root, _session) { WithFailed = withFailed };
    }

    /// <summary>The record of the content, as peers claim it.</summary>
    public ContentRecord Record { get; }

    /// <summary>The peers that sent less than a fair rate of what was requested from them.</summary>
    public PeerId[] UnfairPeers => _session.UnfairPeers();

    /// <summary>The peers that it is fetched from.</summary>
    public FetchSources Sources { get; }

    /// <summary>
    /// Completes when the whole is stored and verified. Returns its length in bytes, which may not be that of the record.
    /// </summary>
    /// <exception cref="BlockNotFoundException">No peer sends a block.</exception>
    /// <exception cref="DagFormatException">The DAG is malformed.</exception>
    /// <exception cref="FalseContentException">The bytes do not hash to the digest.</exception>
    public async Task<long> RunAsync(CancellationToken cancellationToken)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var arriving = new ArrivingBlocks(_blocks);
        Task fetching = FetchAsync(arriving, stop.Token);
        Task<long> checking = Task.Factory
            .StartNew(() => CheckAsync(arriving, stop.Token), CancellationToken.None, TaskCreationOptions.None, _work)
            .Unwrap();
        Task first = await Task.WhenAny(fetching, checking);
        if (!first.IsCompletedSuccessfully)
        {
            await stop.CancelAsync();
            await Task.WhenAll(fetching, checking).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            await first;
        }

        await fetching;
        return await checking;
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => _session.DisposeAsync();

    private async Task FetchAsync(ArrivingBlocks arriving, CancellationToken cancellationToken)
    {
        await new DagFetch(_blocks, _session, Record.Root, arriving.Arrived).RunAsync(cancellationToken);
        arriving.Complete();
    }

    /// <summary>Follows the fetch in the order of the content, and hashes the bytes.</summary>
    private async Task<long> CheckAsync(ArrivingBlocks arriving, CancellationToken cancellationToken)
    {
        // Blocks that arrive after the end are not kept.
        using ArrivingBlocks source = arriving;
        await using DagReader reader = await DagReader.OpenAsync(Record.Root, source, readAhead: 0, cancellationToken);
        if (Record.Kind == ContentKind.Dag)
        {
            // Each block was verified, and the digest is the root's hash.
            return reader.Length;
        }

        using IncrementalHash hash = ContentHash.Create(Record.Digest);
        long done = 0;
        await reader.CopyToAsync(
            (piece, _) =>
            {
                hash.AppendData(piece.Span);
                done += piece.Length;
                _onProgress(done);
                return ValueTask.CompletedTask;
            },
            0,
            reader.Length,
            cancellationToken);
        if (!hash.GetHashAndReset().AsSpan().SequenceEqual(Record.Digest.Hash.Digest))
        {
            throw new FalseContentException($"the bytes under {Record.Root} do not hash to {Record.Digest}");
        }

        return reader.Length;
    }
}
