using System.Buffers;
using System.Threading.Channels;
using Ipcs.Bitswap.Wire;
using Ipcs.Blockstore;
using Ipcs.Blockstore.Memory;
using Ipcs.Dag.Import;
using Ipcs.Fleet.Resolve;
using Ipcs.Libp2p;
using Ipcs.Libp2p.Identity;
using Ipcs.Libp2p.Swarm;
using Ipcs.Multiformats;

namespace Ipcs.Fleet.Tests;

/// <summary>In which way a <see cref="LyingPeer"/> does not give the contents that it claims to have completely.</summary>
internal enum LyingWay
{
    /// <summary>Claims another DAG, sends its root block and nothing else.</summary>
    Silent,

    /// <summary>Claims another DAG, sends its root block and DONT_HAVE for all others.</summary>
    Dont,

    /// <summary>Claims another DAG of the right size, and sends it whole.</summary>
    False,

    /// <summary>Claims the true root, and sends no block below it.</summary>
    Mute,

    /// <summary>Claims the true root, and sends one block at a time with a long pause.</summary>
    Drip,

    /// <summary>Claims the true root with one byte more.</summary>
    Size,

    /// <summary>Claims the true root, and sends blocks with one wrong bit after some right ones.</summary>
    Bits,

    /// <summary>Claims the true root, says HAVE for every block, and sends one of ten.</summary>
    Tenth,

    /// <summary>Claims the true root, and resets its streams after some blocks.</summary>
    Reset,
}

/// <summary>A peer that claims contents and does not give them.</summary>
internal sealed class LyingPeer : IAsyncDisposable
{
    private const string Protocol = "/ipfs/bitswap/1.2.0";

    /// <summary>The time between two blocks of a drip.</summary>
    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(15);

    private readonly LyingWay _way;
    private readonly TimeProvider _time;
    private readonly MemoryStore _store = new();
    private readonly Source _source = new();
    private readonly HashSet<Multihash> _roots = [];
    private ResolveService? _resolve;
    private int _good;
    private int _sent;

    private LyingPeer(LyingWay way, Host host, TimeProvider time, int good)
    {
        _way = way;
        _time = time;
        _good = good;
        Host = host;
    }

    /// <summary>Its host.</summary>
    public Host Host { get; }

    /// <summary>Called for each false block.</summary>
    public Action? OnFalse { get; set; }

    /// <summary>Starts a peer on a listen address.</summary>
    public static async Task<LyingPeer> StartAsync(LyingWay way, TimeProvider time, string listen = "/ip4/127.0.0.1/tcp/0", int good = 3)
    {
        var host = new Host(new HostOptions
        {
            Time = TimeProvider.System,
            Seed = 1,
            KeyPair = KeyPair.Generate(),
            ListenAddresses = [Multiaddr.Parse(listen)],
            Muxers = ["mplex", "yamux"],
        });
        var peer = new LyingPeer(way, host, time, good);
        peer._resolve = new ResolveService(host, peer._source, peer._store.Blocks, TimeProvider.System);
        host.Handle(Protocol, peer.AnswerAsync);
        await host.StartAsync(CancellationToken.None);
        return peer;
    }

    /// <summary>Claims a content from now on.</summary>
    /// <param name="bytes">The true bytes.</param>
    /// <param name="mask">Makes the false ones from them.</param>
    public async Task ClaimAsync(byte[] bytes, byte mask = 255)
    {
        bool other = _way is LyingWay.Silent or LyingWay.Dont or LyingWay.False;
        byte[] under = other ? [.. bytes.Select(b => (byte)(b ^ mask))] : bytes;
        DagRoot root = await DagImport.FromStreamAsync(
            new MemoryStream(under), _store.Blocks, ImportProfile.KuboV1, alsoHash: null, CancellationToken.None);
        _roots.Add(root.Root.Hash);
        _source.Add(new ContentRecord
        {
            Digest = Digest.Sha256(bytes),
            Kind = ContentKind.Blob,
            Root = root.Root,
            Size = bytes.Length + (_way == LyingWay.Size ? 1 : 0),
            Profile = "kubo-v1",
            Complete = true,
        });
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _resolve!.DisposeAsync();
        await Host.DisposeAsync();
        _store.Dispose();
    }

    private async Task AnswerAsync(PeerStream stream, CancellationToken cancellationToken)
    {
        await using PeerStream replies = await Host.OpenStreamAsync(stream.RemotePeer, [Protocol], cancellationToken);
        Channel<WantEntry> wants = Channel.CreateUnbounded<WantEntry>();
        Task answering = Task.Run(
            async () =>
            {
                await foreach (WantEntry want in wants.Reader.ReadAllAsync(cancellationToken))
                {
                    await AnswerAsync(want, replies, stream, cancellationToken);
                }
            },
            cancellationToken);
        var reader = new LengthPrefixedReader(stream, BitswapMessage.MaxLength);
        while (await reader.ReadAsync(cancellationToken) is { } memory)
        {
            using (memory)
            {
                if (BitswapMessage.TryDecode(memory.Memory, out BitswapMessage? message))
                {
                    foreach (WantEntry want in message!.Wants.Where(w => !w.Cancel))
                    {
                        wants.Writer.TryWrite(want);
                    }
                }
            }
        }

        wants.Writer.Complete();
        await answering;
    }

    private async Task AnswerAsync(WantEntry want, PeerStream replies, PeerStream stream, CancellationToken cancellationToken)
    {
        var reply = new BitswapMessage();
        using IMemoryOwner<byte>? block = _store.Blocks.Get(want.Cid.Hash);
        if (block is null || want.WantHave)
        {
            reply.Presences.Add(new PresenceEntry(want.Cid, Have: block is not null));
            await replies.WriteMessageAsync(reply.Encode(), cancellationToken);
            return;
        }

        byte[] data = block.Memory.ToArray();
        bool isRoot = _roots.Contains(want.Cid.Hash);
        int number = isRoot ? 0 : ++_sent;
        switch (_way)
        {
            case LyingWay.Silent or LyingWay.Mute when !isRoot:
            case LyingWay.Tenth when number % 10 != 0 && !isRoot:
                return;
            case LyingWay.Dont when !isRoot:
                reply.Presences.Add(new PresenceEntry(want.Cid, Have: false));
                await replies.WriteMessageAsync(reply.Encode(), cancellationToken);
                return;
            case LyingWay.Drip when number > 1:
                await Task.Delay(Pause, _time, cancellationToken);
                break;
            case LyingWay.Bits when Interlocked.Decrement(ref _good) < 0:
                data[^1] ^= 1;
                OnFalse?.Invoke();
                break;
            case LyingWay.Reset when number > 0 && number % 2 == 0:
                replies.Reset();
                stream.Reset();
                return;
        }

        reply.Blocks.Add(new BlockEntry(want.Cid.Version, want.Cid.Codec, want.Cid.Hash.Code, data));
        await replies.WriteMessageAsync(reply.Encode(), cancellationToken);
    }

    private sealed class Source : IResolveSource
    {
        private readonly Dictionary<Digest, ContentRecord> _contents = [];

        public void Add(ContentRecord content)
        {
            lock (_contents)
            {
                _contents.Add(content.Digest, content);
            }
        }

        public GrowingPart? Growing(in Digest digest, int from, int most) => null;

        public ContentRecord? Resolve(in Digest digest, PeerId asker)
        {
            lock (_contents)
            {
                return _contents.GetValueOrDefault(digest);
            }
        }
    }
}
