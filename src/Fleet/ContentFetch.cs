using System.Security.Cryptography;
using Ipcs.Bitswap.Client;
using Ipcs.Blockstore;
using Ipcs.Dag;
using Ipcs.Dag.Read;
using Ipcs.Multiformats;

namespace Ipcs.Fleet;

/// <summary>
/// The fetch of one content: <see cref="DagFetch"/> fetches its blocks; for a blob, a reader follows them in order and hashes the bytes, so
/// that the whole is verified soon after the last block. Owns its session.
/// </summary>
internal sealed class ContentFetch : IAsyncDisposable
{
    private readonly IBlockstore _blocks;
    private readonly BitswapSession _session;
    private readonly TaskScheduler _work;
    private readonly TimeProvider _time;
    private readonly Lock _lock = new();
    private readonly OrderedDictionary<PeerId, bool> _sources = [];

    public ContentFetch(ContentRecord record, IBlockstore blocks, BitswapSession session, TimeProvider time, TaskScheduler work)
    {
        _time = time;
        _work = work;
        Record = record;
        _blocks = blocks;
        _session = session;
    }

    /// <summary>The record of the content.</summary>
    public ContentRecord Record { get; }

    /// <summary>The peers that are known to have the content completely or partly.</summary>
    public PeerId[] Sources
    {
        get
        {
            lock (_lock)
            {
                return [.. _sources.Keys];
            }
        }
    }

    /// <summary>Adds a peer that has the content completely or partly.</summary>
    public void AddSource(PeerId peer, PeerAvailability availability)
    {
        lock (_lock)
        {
            _sources.TryAdd(peer, true);
        }

        _session.AddPeer(peer, availability);
    }

    /// <summary>Asks every connected peer for each block, since none is known to have the whole.</summary>
    public void Broadcast() => _session.Broadcast();

    /// <summary>
    /// Completes when the whole is stored and verified. Returns its length, which may not be that of the record, and the bytes when they
    /// may be a manifest.
    /// </summary>
    /// <exception cref="BlockNotFoundException">No peer sends a block.</exception>
    /// <exception cref="DagFormatException">The DAG is not what the record says, or the bytes do not hash to the digest.</exception>
    public async Task<(long Length, ReadOnlyMemory<byte> Text)> RunAsync(CancellationToken cancellationToken)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var arriving = new ArrivingBlocks(_blocks);
        Task fetching = FetchAsync(arriving, stop.Token);
        Task<(long Length, ReadOnlyMemory<byte> Text)> checking = Task.Factory
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
        await new DagFetch(_blocks, _session, Record.Root, _time, arriving.Arrived).RunAsync(cancellationToken);
        arriving.Complete();
    }

    /// <summary>Follows the fetch in the order of the content, and hashes the bytes.</summary>
    private async Task<(long Length, ReadOnlyMemory<byte> Text)> CheckAsync(ArrivingBlocks arriving, CancellationToken cancellationToken)
    {
        // Blocks that arrive after the end are not kept.
        using ArrivingBlocks source = arriving;
        await using DagReader reader = await DagReader.OpenAsync(Record.Root, source, readAhead: 0, cancellationToken);
        bool small = reader.Length <= DescriptorScan.MaxLength;
        if (Record.Kind == ContentKind.Dag && !small)
        {
            // Each block was verified, and the digest is the root's hash.
            return (reader.Length, default);
        }

        using IncrementalHash hash = IncrementalHash.CreateHash(HashName(Record.Digest));
        byte[] text = small ? new byte[reader.Length] : [];
        int copied = 0;
        await reader.CopyToAsync(
            (piece, _) =>
            {
                hash.AppendData(piece.Span);
                if (small)
                {
                    piece.Span.CopyTo(text.AsSpan(copied));
                    copied += piece.Length;
                }

                return ValueTask.CompletedTask;
            },
            0,
            reader.Length,
            cancellationToken);
        Multihash expected = Record.Digest.Hash;
        if (Record.Kind == ContentKind.Blob && !hash.GetHashAndReset().AsSpan().SequenceEqual(expected.Digest))
        {
            throw new FalseContentException($"the bytes under {Record.Root} do not hash to {Record.Digest}");
        }

        return (reader.Length, text);
    }

    private static HashAlgorithmName HashName(Digest digest) => digest.Hash.Code switch
    {
        Multihash.Sha2_512 => HashAlgorithmName.SHA512,
        Multihash.Sha2_384 => HashAlgorithmName.SHA384,
        _ => HashAlgorithmName.SHA256,
    };
}
