using System.Buffers;
using System.Globalization;
using Ipcs.Bitswap.Wire;
using Ipcs.Blockstore;
using Ipcs.Blockstore.Memory;
using Ipcs.Dag.Import;
using Ipcs.Fleet.Resolve;
using Ipcs.Libp2p;
using Ipcs.Libp2p.Identity;
using Ipcs.Libp2p.Swarm;
using Ipcs.Multiformats;

namespace Ipcs.EndToEnd.Liar;

/// <summary>
/// A peer that sends false blocks: <c>Liar LISTEN FOLDER GOOD</c>. It announces the files of a folder as contents, sends GOOD correct
/// blocks, and then blocks with one wrong bit each. Prints <c>ready PEER</c>, a line <c>false</c> per false block and a line <c>gone</c>
/// per peer that disconnects.
/// </summary>
internal static class Program
{
    private const string Protocol = "/ipfs/bitswap/1.2.0";

    private static int _good;

    private static async Task Main(string[] args)
    {
        _good = int.Parse(args[2], CultureInfo.InvariantCulture);
        using var store = new MemoryStore();
        var source = new Source();
        foreach (string file in Directory.GetFiles(args[1]))
        {
            source.Add(await ImportAsync(file, store.Blocks));
        }

        await using var host = new Host(new HostOptions
        {
            Time = TimeProvider.System,
            Seed = 1,
            KeyPair = KeyPair.Generate(),
            ListenAddresses = [Multiaddr.Parse(args[0])],
            Muxers = ["mplex", "yamux"],
        });
        await using var resolve = new ResolveService(host, source, store.Blocks, TimeProvider.System);
        host.Handle(Protocol, (stream, cancellationToken) => AnswerAsync(host, store.Blocks, stream, cancellationToken));
        host.PeerDisconnected += _ => Console.WriteLine("gone");
        await host.StartAsync(CancellationToken.None);
        Console.WriteLine($"ready {host.LocalPeer}");
        await Task.Delay(Timeout.Infinite);
    }

    private static async Task<ContentRecord> ImportAsync(string file, IBlockstore blocks)
    {
        byte[] bytes = await File.ReadAllBytesAsync(file);
        DagRoot root = await DagImport.FromStreamAsync(
            new MemoryStream(bytes), blocks, ImportProfile.KuboV1, alsoHash: null, CancellationToken.None);
        return new ContentRecord
        {
            Digest = Digest.Sha256(bytes),
            Kind = ContentKind.Blob,
            Root = root.Root,
            Size = bytes.Length,
            Profile = "kubo-v1",
            Complete = true,
        };
    }

    private static async Task AnswerAsync(Host host, IBlockstore blocks, PeerStream stream, CancellationToken cancellationToken)
    {
        await using PeerStream replies = await host.OpenStreamAsync(stream.RemotePeer, [Protocol], cancellationToken);
        var reader = new LengthPrefixedReader(stream, BitswapMessage.MaxLength);
        while (await reader.ReadAsync(cancellationToken) is { } memory)
        {
            using (memory)
            {
                if (BitswapMessage.TryDecode(memory.Memory, out BitswapMessage? message))
                {
                    foreach (WantEntry want in message!.Wants.Where(w => !w.Cancel))
                    {
                        await replies.WriteMessageAsync(AnswerTo(want, blocks).Encode(), cancellationToken);
                    }
                }
            }
        }
    }

    private static BitswapMessage AnswerTo(WantEntry want, IBlockstore blocks)
    {
        var reply = new BitswapMessage();
        using IMemoryOwner<byte>? block = blocks.Get(want.Cid.Hash);
        if (block is null || want.WantHave)
        {
            reply.Presences.Add(new PresenceEntry(want.Cid, Have: block is not null));
            return reply;
        }

        byte[] data = block.Memory.ToArray();
        if (Interlocked.Decrement(ref _good) < 0)
        {
            data[^1] ^= 1;
            Console.WriteLine("false");
        }

        reply.Blocks.Add(new BlockEntry(want.Cid.Version, want.Cid.Codec, want.Cid.Hash.Code, data));
        return reply;
    }

    private sealed class Source : IResolveSource
    {
        private readonly Dictionary<Digest, ContentRecord> _contents = [];

        public void Add(ContentRecord content) => _contents.Add(content.Digest, content);

        public ContentRecord? Resolve(in Digest digest, PeerId asker) => _contents.GetValueOrDefault(digest);
    }
}
