using Ipcs.Multiformats;

namespace Ipcs.Bitswap.Tests;

/// <summary>Simulates a fleet in virtual time; one seed determines everything random.</summary>
internal sealed class Simulation(int seed)
{
    /// <summary>The one-way latency in microseconds.</summary>
    public const long Latency = 500;

    private const long TickTime = 100_000;

    private readonly PriorityQueue<Action, (long At, long Sequence)> _events = new();
    private long _sequence;

    public Random Random { get; } = new(seed);

    public List<SimulatedNode> Nodes { get; } = [];

    /// <summary>The virtual time in microseconds.</summary>
    public long Now { get; private set; } = 1_000_000;

    public static PeerId PeerOf(int number)
    {
        byte[] key = new byte[36];
        byte[] head = [0x08, 0x01, 0x12, 0x20];
        head.CopyTo(key, 0);
        key[4] = (byte)number;
        return PeerId.FromPublicKey(key);
    }

    public SimulatedNode Add(double uplink, BitswapOptions? options = null)
    {
        var node = new SimulatedNode(this, Nodes.Count, uplink, options ?? new BitswapOptions());
        foreach (SimulatedNode other in Nodes)
        {
            node.Connect(other);
            other.Connect(node);
        }

        Nodes.Add(node);
        return node;
    }

    public void After(long microseconds, Action action) => _events.Enqueue(action, (Now + microseconds, _sequence++));

    /// <summary>Runs until the condition holds.</summary>
    public void Run(Func<bool> isOver, double seconds)
    {
        long end = Now + (long)(seconds * 1e6);
        foreach (SimulatedNode node in Nodes)
        {
            Tick(node);
        }

        while (!isOver())
        {
            Assert.True(
                _events.TryDequeue(out Action? action, out (long At, long Sequence) when) && when.At <= end,
                $"not over after {seconds} s");
            Now = when.At;
            action();
        }
    }

    private void Tick(SimulatedNode node) => After(TickTime, () =>
    {
        node.Tick();
        Tick(node);
    });
}
