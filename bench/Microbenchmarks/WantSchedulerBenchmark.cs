using System.Buffers.Binary;
using System.Diagnostics;
using System.Globalization;
using Ipcs.Bitswap;
using Ipcs.Bitswap.Client;
using Ipcs.Bitswap.Wire;
using Ipcs.Multiformats;

namespace Ipcs.Microbenchmarks;

/// <summary>
/// The want book alone, in virtual time: what it costs for a block to choose who is asked for it, from its want to its arrival. Blocks
/// are small, so that many are wanted at a time, and the peers' windows are full. A peer sends a message of blocks at a time, some peers
/// longer ones than others.
/// </summary>
internal sealed class WantSchedulerBenchmark
{
    private const int Blocks = 30_000;
    private const int BlockLength = 10_000;

    /// <summary>Blocks wanted at a time: what three fetches want ahead.</summary>
    private const int Ahead = 1536;

    /// <summary>Microseconds from one block to the next: 100 MB/s in all.</summary>
    private const long BlockTime = 100;

    private const long TickTime = 100_000;

    private readonly Cid[] _cids = [.. Enumerable.Range(0, Blocks).Select(Block)];
    private readonly Dictionary<Multihash, int> _numbers = [];
    private readonly Dictionary<PeerId, Source> _sources = [];
    private readonly WantScheduler _book;
    private readonly BitswapSession _session;
    private readonly Random _random = new(1);
    private long _now = 1_000_000;
    private int _wanted;
    private int _received;

    private WantSchedulerBenchmark(PeerScope reach)
    {
        _book = new WantScheduler(Peer(0), new BitswapOptions { MaxWindow = 1 << 20 }, new Random(2));
        _session = new BitswapSession(new ForgetfulStore(), null!, reach);
        for (int i = 0; i < Blocks; i++)
        {
            _numbers[_cids[i].Hash] = i;
        }
    }

    public static void Run()
    {
        Console.WriteLine($"| the want book, {Blocks} blocks of {BlockLength} bytes, {Ahead} wanted at a time | µs per block |");
        Console.WriteLine("|---|---|");
        Print("one peer has the whole", PeerScope.Named, b => b.AddPeer(1, PeerAvailability.Complete, _ => true));
        Print("three peers have the whole", PeerScope.Named, b => b.AddPeers(3, PeerAvailability.Complete, (_, _) => true));
        Print("three peers have a third each", PeerScope.Broadcast, b => b.AddPeers(3, PeerAvailability.Partial, (peer, number) => number % 3 == peer));
        Print("one has the whole, five fetch the same", PeerScope.Named, b =>
        {
            b.AddPeer(1, PeerAvailability.Complete, _ => true);
            for (int i = 0; i < 5; i++)
            {
                b.AddPeer(2 + i, PeerAvailability.Partial, has: null);
            }
        });
    }

    private static void Print(string name, PeerScope reach, Action<WantSchedulerBenchmark> add)
    {
        double best = double.MaxValue;
        for (int i = 0; i < 3; i++)
        {
            var benchmark = new WantSchedulerBenchmark(reach);
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

    private void AddPeers(int count, PeerAvailability holding, Func<int, int, bool> has)
    {
        for (int i = 0; i < count; i++)
        {
            int number = i;
            AddPeer(1 + i, holding, block => has(number, block));
        }
    }

    // Who has no rule has at first nothing, and gets blocks as this node does.
    private void AddPeer(int number, PeerAvailability holding, Func<int, bool>? has)
    {
        PeerId peer = Peer(number);
        _sources[peer] = new Source(has, messageBlocks: 8 * number);
        _book.PeerCame(peer, saysHave: true, _now);
        if (_session.PeerScope == PeerScope.Named)
        {
            _book.Tell(_session, peer, holding, _now);
        }
    }

    /// <summary>Returns the microseconds for each block that are the book's.</summary>
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
                _book.Tick(_now);
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
        _book.Received(peer, _cids[number].Hash, BlockLength, isLeaf: false, _now);
        Deliver();
        foreach ((PeerId fellow, Source other) in _sources)
        {
            if (other.Has is null && _random.Next(_wanted) is var got && other.Got.Add(got) && other.Told.Remove(got))
            {
                _book.Presence(fellow, new PresenceEntry(_cids[got], Have: true), _now);
                Deliver();
            }
        }

        Want();
        return true;
    }

    private void Want()
    {
        int count = Math.Min(Ahead - (_wanted - _received), Blocks - _wanted);
        if (count > 0)
        {
            _book.Add(_session, _cids[_wanted..(_wanted + count)], urgent: false, _now);
            _wanted += count;
            Deliver();
        }
    }

    private void Deliver()
    {
        // Answers make more to be said.
        while (_book.Outbox.Count > 0)
        {
            (PeerId Peer, WantEntry Entry)[] said = [.. _book.Outbox];
            _book.Outbox.Clear();
            foreach ((PeerId peer, WantEntry entry) in said)
            {
                Source source = _sources[peer];
                int number = _numbers[entry.Cid.Hash];
                if (entry.Cancel)
                {
                    source.Asks.Remove(number);
                    source.Told.Remove(number);
                }
                else if (!entry.WantHave)
                {
                    source.Asks.Add(number);
                    source.Asked.Enqueue(number);
                }
                else if (source.Has?.Invoke(number) ?? source.Got.Contains(number))
                {
                    _book.Presence(peer, new PresenceEntry(entry.Cid, Have: true), _now);
                }
                else
                {
                    source.Told.Add(number);
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

        public HashSet<int> Told { get; } = [];

        public HashSet<int> Got { get; } = [];
    }
}
