using System.Buffers.Binary;
using System.Diagnostics;
using System.Globalization;
using Ipcs.Bitswap;
using Ipcs.Bitswap.Client;
using Ipcs.Bitswap.Wire;
using Ipcs.Multiformats;

namespace Ipcs.Microbenchmarks;

/// <summary>
/// The want scheduler alone, in virtual time: the cost per block of choosing the peer to request it from, from its want to its arrival.
/// Blocks are small, so that many are wanted at a time, and the windows of the peers are full. Peers send messages of several blocks, of
/// different lengths.
/// </summary>
internal sealed class WantSchedulerBenchmark
{
    private const int Blocks = 30_000;
    private const int BlockLength = 10_000;

    /// <summary>Blocks wanted at a time: as many as three fetches prefetch.</summary>
    private const int Prefetched = 1536;

    /// <summary>Microseconds between blocks: 100 MB/s in total.</summary>
    private const long BlockTime = 100;

    private const long TickTime = 100_000;

    private readonly Cid[] _cids = [.. Enumerable.Range(0, Blocks).Select(Block)];
    private readonly Dictionary<Multihash, int> _numbers = [];
    private readonly Dictionary<PeerId, Source> _sources = [];
    private readonly WantScheduler _scheduler;
    private readonly BitswapSession _session;
    private readonly Random _random = new(1);
    private long _now = 1_000_000;
    private int _wanted;
    private int _received;

    private WantSchedulerBenchmark(PeerScope scope)
    {
        _scheduler = new WantScheduler(Peer(0), new BitswapOptions { MaxWindow = 1 << 20 }, new Random(2));
        _session = new BitswapSession(new ForgetfulStore(), null!, scope);
        for (int i = 0; i < Blocks; i++)
        {
            _numbers[_cids[i].Hash] = i;
        }
    }

    public static void Run()
    {
        Console.WriteLine($"| the want scheduler, {Blocks} blocks of {BlockLength} bytes, {Prefetched} wanted at a time | µs per block |");
        Console.WriteLine("|---|---|");
        Print("one peer has the complete content", PeerScope.Named, b => b.AddPeer(1, PeerAvailability.Complete, _ => true));
        Print("three peers have the complete content", PeerScope.Named, b => b.AddPeers(3, PeerAvailability.Complete, (_, _) => true));
        Print("three peers have a third each", PeerScope.Broadcast, b =>
            b.AddPeers(3, PeerAvailability.Partial, (peer, number) => number % 3 == peer));
        Print("one has the complete content, five fetch it too", PeerScope.Named, b =>
        {
            b.AddPeer(1, PeerAvailability.Complete, _ => true);
            for (int i = 0; i < 5; i++)
            {
                b.AddPeer(2 + i, PeerAvailability.Partial, has: null);
            }
        });
    }

    private static void Print(string name, PeerScope scope, Action<WantSchedulerBenchmark> add)
    {
        double best = double.MaxValue;
        for (int i = 0; i < 3; i++)
        {
            var benchmark = new WantSchedulerBenchmark(scope);
            add(benchmark);
            best = Math.Min(best, benchmark.Fetch());
        }

        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"| {name} | {best:F2} |"));
    }

    private static Cid Block(int number)
    {
        byte[] bytes = new byte[4];
        BinaryPrimitives.WriteInt32BigEndian(bytes, number);
        return Cid.V1(Multicodec.Raw, Multihash.Sha256(bytes));
    }

    private static PeerId Peer(int number)
    {
        byte[] key = new byte[36];
        new byte[] { 0x08, 0x01, 0x12, 0x20 }.CopyTo(key, 0);
        key[^1] = (byte)number;
        return PeerId.FromPublicKey(key);
    }

    private void AddPeers(int count, PeerAvailability availability, Func<int, int, bool> has)
    {
        for (int i = 0; i < count; i++)
        {
            int number = i;
            AddPeer(1 + i, availability, block => has(number, block));
        }
    }

    // A peer without a rule has nothing at first, and receives blocks as this node does.
    private void AddPeer(int number, PeerAvailability availability, Func<int, bool>? has)
    {
        PeerId peer = Peer(number);
        _sources[peer] = new Source(has, messageBlocks: 8 * number);
        _scheduler.PeerCame(peer, saysHave: true, _now);
        if (_session.PeerScope == PeerScope.Named)
        {
            _scheduler.SetAvailability(_session, peer, availability, _now);
        }
    }

    /// <summary>Fetches everything. Returns the scheduler's microseconds per block.</summary>
    private double Fetch()
    {
        long start = Stopwatch.GetTimestamp();
        Want();
        long tick = _now + TickTime;
        while (_received < Blocks)
        {
            bool any = false;
            foreach ((PeerId peer, Source source) in _sources)
            {
                for (int i = 0; i < source.MessageBlocks; i++)
                {
                    any |= Give(peer, source);
                }
            }

            if (!any || _now >= tick)
            {
                tick += TickTime;
                _now = Math.Max(_now, tick - TickTime);
                _scheduler.Tick(_now);
                Deliver();
            }
        }

        return Stopwatch.GetElapsedTime(start).TotalMicroseconds / Blocks;
    }

    private bool Give(PeerId peer, Source source)
    {
        if (source.Asked.Count == 0)
        {
            return false;
        }

        int number = source.Asked.Dequeue();
        if (!source.Asks.Remove(number))
        {
            return true;
        }

        _now += BlockTime;
        _received++;
        _scheduler.Received(peer, _cids[number].Hash, BlockLength, isLeaf: false, _now);
        Deliver();
        foreach ((PeerId receiver, Source other) in _sources)
        {
            if (other.Has is null && _random.Next(_wanted) is var got && other.Got.Add(got) && other.HaveRequests.Remove(got))
            {
                _scheduler.Presence(receiver, new PresenceEntry(_cids[got], Have: true), _now);
                Deliver();
            }
        }

        Want();
        return true;
    }

    private void Want()
    {
        int count = Math.Min(Prefetched - (_wanted - _received), Blocks - _wanted);
        if (count > 0)
        {
            _scheduler.Add(_session, _cids[_wanted..(_wanted + count)], urgent: false, _now);
            _wanted += count;
            Deliver();
        }
    }

    private void Deliver()
    {
        // Answers cause more messages.
        while (_scheduler.Outbox.Count > 0)
        {
            (PeerId Peer, WantEntry Entry)[] said = [.. _scheduler.Outbox];
            _scheduler.Outbox.Clear();
            foreach ((PeerId peer, WantEntry entry) in said)
            {
                Source source = _sources[peer];
                int number = _numbers[entry.Cid.Hash];
                if (entry.Cancel)
                {
                    source.Asks.Remove(number);
                    source.HaveRequests.Remove(number);
                }
                else if (!entry.WantHave)
                {
                    source.Asks.Add(number);
                    source.Asked.Enqueue(number);
                }
                else if (source.Has?.Invoke(number) ?? source.Got.Contains(number))
                {
                    _scheduler.Presence(peer, new PresenceEntry(entry.Cid, Have: true), _now);
                }
                else
                {
                    source.HaveRequests.Add(number);
                }
            }
        }
    }

    private sealed class Source(Func<int, bool>? has, int messageBlocks)
    {
        public int MessageBlocks { get; } = messageBlocks;

        public Func<int, bool>? Has { get; } = has;

        public Queue<int> Asked { get; } = new();

        public HashSet<int> Asks { get; } = [];

        public HashSet<int> HaveRequests { get; } = [];

        public HashSet<int> Got { get; } = [];
    }
}
