using Ipcs.Kademlia.Routing;
using Ipcs.Kademlia.Values;
using Ipcs.Kademlia.Wire;
using Ipcs.TestKit;

namespace Ipcs.Kademlia.Tests.Wire;

/// <summary>
/// Decodes mutations of the seeds in tests/Fuzz/kademlia.txt; a server answers those that are valid messages.
/// </summary>
public sealed class MutationTests
{
    private const string File = "kademlia.txt";

    [Fact]
    public void Mutated_messages()
    {
        var table = new RoutingTable(Peers.Id(0), 20);
        for (int i = 1; i < 30; i++)
        {
            table.Seen(Peers.Start, Peers.Id(i), [Peers.Address(i)]);
        }

        var responder = new DhtResponder(table, new DhtOptions(), new Random(1), () => Peers.Peer(0), _ => []);
        Corpus.Try(File, "message", bytes =>
        {
            if (DhtMessage.TryDecode(bytes, out DhtMessage? message))
            {
                Assert.True(DhtMessage.TryDecode(message!.Encode(), out _));
                if (responder.TryAnswer(Peers.Start, Peers.Id(40), fromThisMachine: false, message, out DhtMessage? answer)
                    && answer is not null)
                {
                    Assert.InRange(answer.Encode().Length, 1, DhtMessage.MaxResponseLength);
                }
            }
        });
    }

    [Fact]
    public void Mutated_records() => Corpus.Try(File, "record", bytes =>
    {
        if (DhtRecord.TryDecode(bytes, out DhtRecord? record))
        {
            _ = ValueRules.IsValid(record!.Key, record.Value);
            Assert.True(DhtRecord.TryDecode(record.Encode(), out DhtRecord? again));
            Assert.Equal(record.Value, again!.Value);
        }
    });

    [Fact]
    public void One_peer() => Corpus.Try(File, "peer", bytes =>
    {
        if (DhtPeer.TryDecode(bytes, out DhtPeer? peer))
        {
            Assert.InRange(peer!.Addresses.Count, 0, DhtPeer.MaxAddresses);
            Assert.True(DhtPeer.TryDecode(peer.Encode(), out DhtPeer? again));
            Assert.Equal(peer.Addresses, again!.Addresses);
        }
    });
}
