using System.Buffers;
using System.Collections.Concurrent;
using Ipcs.Blockstore;
using Ipcs.Libp2p;
using Ipcs.Multiformats;

namespace Ipcs.Fleet.Resolve;

/// <summary>"Which of these digests do you have?", asked and answered. Owns a stream per peer that is asked. Wire format: docs/protocols/resolve.md.</summary>
public sealed class ResolveService : IAsyncDisposable
{
    /// <summary>The protocol name.</summary>
    public const string Protocol = "/ipcs/resolve/1.0.0";

    /// <summary>The most digests in one question.</summary>
    public const int MaxDigests = ResolveWire.MaxDigests;

    /// <summary>Streams that a peer may keep open for questions: one is what it needs.</summary>
    private const int MaxStreams = 8;

    private static readonly TimeSpan AnswerTime = TimeSpan.FromSeconds(10);

    private readonly IHost _host;
    private readonly IResolveSource _source;
    private readonly IBlockstore _blocks;
    private readonly ConcurrentDictionary<PeerId, ResolveStream> _outbound = new();
    private readonly ConcurrentDictionary<PeerId, int> _inbound = new();

    /// <summary>Begins to answer.</summary>
    public ResolveService(IHost host, IResolveSource source, IBlockstore blocks)
    {
        _host = host;
        _source = source;
        _blocks = blocks;
        host.Handle(Protocol, AnswerAsync);
        host.PeerIdentified += OnIdentified;
        host.PeerDisconnected += OnDisconnected;
    }

    /// <summary>Asks one connected peer. What it does not have is not in the answer.</summary>
    /// <exception cref="IOException">It does not answer, or not to the question.</exception>
    public Task<IReadOnlyList<ResolvedContent>> AskAsync(PeerId peer, IReadOnlyList<Digest> digests, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(digests.Count, MaxDigests);
        return StreamTo(peer).AskAsync(digests, cancellationToken);
    }

    /// <summary>True when a peer owes an answer for longer than is normal: its next one is better not waited for.</summary>
    public bool Hangs(PeerId peer) => _outbound.TryGetValue(peer, out ResolveStream? stream) && stream.Hangs;

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        _host.PeerIdentified -= OnIdentified;
        _host.PeerDisconnected -= OnDisconnected;
        foreach (ResolveStream stream in _outbound.Values)
        {
            await stream.DisposeAsync();
        }
    }

    private ResolveStream StreamTo(PeerId peer) => _outbound.GetOrAdd(peer, p => new ResolveStream(_host, p));

    private void OnIdentified(PeerInfo peer)
    {
        if (peer.Protocols.Contains(Protocol))
        {
            _ = StreamTo(peer.Peer).WarmAsync();
        }
    }

    private void OnDisconnected(PeerId peer)
    {
        if (_outbound.TryRemove(peer, out ResolveStream? stream))
        {
            _ = stream.DisposeAsync().AsTask();
        }
    }

    private async Task AnswerAsync(PeerStream stream, CancellationToken cancellationToken)
    {
        PeerId peer = stream.RemotePeer;
        if (_inbound.AddOrUpdate(peer, 1, (_, n) => n + 1) > MaxStreams)
        {
            Leave(peer);
            throw new InvalidDataException($"{MaxStreams} streams for questions are open already");
        }

        try
        {
            var reader = new LengthPrefixedReader(stream, ResolveWire.MaxLength);
            while (await reader.ReadAsync(cancellationToken) is { } question)
            {
                ArrayBufferWriter<byte> answer;
                using (question)
                {
                    answer = Answer(peer, question.Memory.Span);
                }

                using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
                limit.CancelAfter(AnswerTime);
                await stream.WriteMessageAsync(answer.WrittenMemory, limit.Token);
            }
        }
        finally
        {
            Leave(peer);
        }
    }

    private void Leave(PeerId peer)
    {
        if (_inbound.AddOrUpdate(peer, 0, (_, n) => n - 1) <= 0)
        {
            _inbound.TryRemove(new KeyValuePair<PeerId, int>(peer, 0));
        }
    }

    private ArrayBufferWriter<byte> Answer(PeerId peer, ReadOnlySpan<byte> question)
    {
        if (!ResolveWire.TryDecodeQuestion(question, out List<Digest> digests))
        {
            throw new InvalidDataException("a resolve question is no list of digests");
        }

        var answer = new ArrayBufferWriter<byte>(256);
        int room = ResolveWire.MaxRootBlocks;
        foreach (Digest digest in digests)
        {
            if (_source.Resolve(digest, peer) is { } record)
            {
                using IMemoryOwner<byte>? root = RootBlock(record, room);
                room -= root?.Memory.Length ?? 0;
                ResolveWire.WriteContent(answer, record, root is null ? default : root.Memory.Span);
            }
        }

        return answer;
    }

    /// <summary>The root's block, when it is small enough to go along.</summary>
    private IMemoryOwner<byte>? RootBlock(ContentRecord record, int room) =>
        _blocks.TryGetLength(record.Root.Hash, out int length) && length <= Math.Min(ResolveWire.MaxRootBlock, room)
            ? _blocks.Get(record.Root.Hash)
            : null;
}
