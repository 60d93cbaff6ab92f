using System.Buffers;
using System.Collections.Concurrent;
using Google.Protobuf;
using Ipcs.Blockstore;
using Ipcs.Libp2p;
using Ipcs.Multiformats;

namespace Ipcs.Fleet.Resolve;

/// <summary>
/// Asks peers which digests they have, and answers the same question. Owns a stream per peer that is asked. Wire format:
/// docs/protocols/resolve.md.
/// </summary>
public sealed class ResolveService : IAsyncDisposable
{
    /// <summary>The protocol of hosts before growing contents: the same messages, without them.</summary>
    public const string FirstProtocol = "/ipcs/resolve/1.0.0";

    /// <summary>The protocol name.</summary>
    public const string Protocol = "/ipcs/resolve/2.0.0";

    /// <summary>The maximum number of digests in one question.</summary>
    public const int MaxDigests = ResolveWire.MaxDigests;

    /// <summary>The maximum number of inbound streams per peer: one is enough.</summary>
    private const int MaxStreams = 8;

    /// <summary>How long sending an answer may take.</summary>
    private static readonly TimeSpan AnswerTime = TimeSpan.FromSeconds(10);

    private readonly IHost _host;
    private readonly IResolveSource _source;
    private readonly IBlockstore _blocks;
    private readonly TimeProvider _time;
    private readonly ConcurrentDictionary<PeerId, ResolveStream> _outbound = new();
    private readonly ConcurrentDictionary<PeerId, int> _inbound = new();
    private readonly TaskTracker _background = new();

    /// <summary>Starts to answer.</summary>
    public ResolveService(IHost host, IResolveSource source, IBlockstore blocks, TimeProvider time)
    {
        _time = time;
        _host = host;
        _source = source;
        _blocks = blocks;
        host.Handle(Protocol, (stream, stop) => AnswerAsync(stream, withGrowing: true, stop));
        host.Handle(FirstProtocol, (stream, stop) => AnswerAsync(stream, withGrowing: false, stop));
        host.PeerIdentified += OnIdentified;
        host.PeerDisconnected += OnDisconnected;
    }

    /// <summary>The versions of the protocol, in the order in which a stream is opened with them.</summary>
    internal static IReadOnlyList<string> Protocols { get; } = [Protocol, FirstProtocol];

    /// <summary>True when a peer answers questions.</summary>
    public static bool IsSpokenBy(PeerInfo peer) => Protocols.Any(peer.Protocols.Contains);

    /// <summary>
    /// Asks one connected peer. The answer has one entry for each digest that the peer has completely or partly, and one for each that it
    /// is getting.
    /// </summary>
    /// <exception cref="IOException">The peer does not answer, or its answer does not belong to the question.</exception>
    public Task<ResolveAnswer> AskAsync(PeerId peer, IReadOnlyList<ResolveQuestion> questions, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(questions.Count, MaxDigests);
        return StreamTo(peer).AskAsync(questions, cancellationToken);
    }

    /// <summary>True when a peer has left a question unanswered for long: its next answer should not be waited for.</summary>
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

        await _background.WhenAllAsync();
    }

    private ResolveStream StreamTo(PeerId peer) => _outbound.GetOrAdd(peer, p => new ResolveStream(_host, p, _time));

    private void OnIdentified(PeerInfo peer)
    {
        if (IsSpokenBy(peer))
        {
            _background.Add(StreamTo(peer.Peer).WarmAsync());
        }
    }

    private void OnDisconnected(PeerId peer)
    {
        if (_outbound.TryRemove(peer, out ResolveStream? stream))
        {
            _background.Add(stream.DisposeAsync().AsTask());
        }
    }

    private async Task AnswerAsync(PeerStream stream, bool withGrowing, CancellationToken cancellationToken)
    {
        PeerId peer = stream.RemotePeer;
        if (_inbound.AddOrUpdate(peer, 1, (_, n) => n + 1) > MaxStreams)
        {
            Leave(peer);
            throw new InvalidDataException($"{peer} has {MaxStreams} resolve streams open already");
        }

        try
        {
            var reader = new LengthPrefixedReader(stream, ResolveWire.MaxLength);
            while (await reader.ReadAsync(cancellationToken) is { } question)
            {
                byte[] answer;
                using (question)
                {
                    answer = Answer(peer, question.Memory.Span, withGrowing);
                }

                using var limit = new Deadline(_time, AnswerTime, cancellationToken);
                await stream.WriteMessageAsync(answer, limit.Token);
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

    private byte[] Answer(PeerId peer, ReadOnlySpan<byte> question, bool withGrowing)
    {
        if (!ResolveWire.TryDecodeQuestion(question, out List<ResolveQuestion> questions))
        {
            throw new InvalidDataException("a resolve question is malformed");
        }

        var answer = new Proto.Answer();
        int room = ResolveWire.MaxRootBlocks, chunks = ResolveWire.MaxChunks;
        foreach ((Digest digest, int from) in questions)
        {
            if (_source.Resolve(digest, peer) is { } record)
            {
                using IMemoryOwner<byte>? root = RootBlock(record, room);
                room -= root?.Memory.Length ?? 0;
                answer.Content.Add(ResolveWire.ContentOf(record, root is null ? default : root.Memory.Span));
            }

            if (withGrowing && _source.Growing(digest, from, chunks) is { } part)
            {
                chunks -= part.Chunks.Count;
                answer.Growing.Add(ResolveWire.GrowingOf(part));
            }
        }

        return answer.ToByteArray();
    }

    /// <summary>The root block, when it is short enough to be part of the answer.</summary>
    private IMemoryOwner<byte>? RootBlock(ContentRecord record, int room) =>
        _blocks.TryGetLength(record.Root.Hash, out int length) && length <= Math.Min(ResolveWire.MaxRootBlock, room)
            ? _blocks.Get(record.Root.Hash)
            : null;
}
