using System.Collections.Concurrent;
using System.Security.Cryptography;
using Ipcs.Bitswap.Client;
using Ipcs.Blockstore;
using Ipcs.Dag;
using Ipcs.Dag.Read;
using Ipcs.Multiformats;

namespace Ipcs.Fleet;

/// <summary>
/// One content on its way here: its blocks come by <see cref="DagFetch"/>; for a blob a reader follows them in order and hashes, so that the check of the
/// whole is done soon after the last block. Owns its session.
/// </summary>
internal sealed class ContentFetch : IAsyncDisposable
{
    private readonly IBlockstore _blocks;
    private readonly BitswapSession _session;
    private readonly TaskScheduler _work;
    private readonly ConcurrentDictionary<PeerId, byte> _sources = new();

    public ContentFetch(ContentRecord record, IBlockstore blocks, BitswapSession session, TaskScheduler work)
    {
        _work = work;
        Record = record;
        _blocks = blocks;
        _session = session;
    }

    /// <summary>What is fetched.</summary>
    public ContentRecord Record { get; }

    /// <summary>Those of whom it is known that they have the whole of it or a part.</summary>
    public ICollection<PeerId> Sources => _sources.Keys;

    /// <summary>One more who has the content or a part of it.</summary>
    public void AddSource(PeerId peer, PeerAvailability availability)
    {
        _sources.TryAdd(peer, 0);
        _session.AddPeer(peer, availability);
    }

    /// <summary>Nobody who is connected is known to have the whole: each block is had from whoever has it.</summary>
    public void Broadcast() => _session.Broadcast();

    /// <summary>Completes when the whole is here and checked. Returns the bytes when they may be a manifest.</summary>
    /// <exception cref="BlockNotFoundException">A block is not to be had.</exception>
    /// <exception cref="DagFormatException">The DAG is not what the record says, or the bytes do not hash to the digest.</exception>
    public async Task<ReadOnlyMemory<byte>> RunAsync(CancellationToken cancellationToken)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        Task fetching = new DagFetch(_blocks, _session, Record.Root).RunAsync(stop.Token);
        Task<ReadOnlyMemory<byte>> checking = Task.Factory.StartNew(() => CheckAsync(stop.Token), CancellationToken.None, TaskCreationOptions.None, _work).Unwrap();
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

    private async Task<ReadOnlyMemory<byte>> CheckAsync(CancellationToken cancellationToken)
    {
        // The session's own source: what is not here yet is wanted already, in whatever order it comes.
        await using DagReader reader = await DagReader.OpenAsync(Record.Root, new BitswapSource(_session, urgent: false), readAhead: 0, cancellationToken);
        if (reader.Length != Record.Size)
        {
            throw new DagFormatException($"the DAG of {Record.Digest} has {reader.Length} bytes, not {Record.Size}");
        }

        bool small = Record.Size <= DescriptorScan.MaxLength;
        if (Record.Kind == ContentKind.Dag && !small)
        {
            // Verified block by block: nothing to hash.
            return default;
        }

        using IncrementalHash hash = IncrementalHash.CreateHash(HashName(Record.Digest));
        byte[] text = small ? new byte[Record.Size] : [];
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
            Record.Size,
            cancellationToken);
        Multihash expected = Record.Digest.Hash;
        if (Record.Kind == ContentKind.Blob && !hash.GetHashAndReset().AsSpan().SequenceEqual(expected.Digest))
        {
            throw new FalseContentException($"the bytes under {Record.Root} do not hash to {Record.Digest}");
        }

        return text;
    }

    private static HashAlgorithmName HashName(Digest digest) => digest.Hash.Code switch
    {
        Multihash.Sha2_512 => HashAlgorithmName.SHA512,
        Multihash.Sha2_384 => HashAlgorithmName.SHA384,
        _ => HashAlgorithmName.SHA256,
    };
}
