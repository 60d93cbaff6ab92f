using System.Diagnostics;
using Ipcs.Libp2p.Dns;
using Ipcs.Libp2p.Identify;
using Ipcs.Libp2p.Identity;
using Ipcs.Libp2p.Muxing;
using Ipcs.Libp2p.Muxing.Mplex;
using Ipcs.Libp2p.Muxing.Yamux;
using Ipcs.Libp2p.Negotiation;
using Ipcs.Libp2p.Security.Noise;
using Ipcs.Libp2p.Security.Pnet;
using Ipcs.Libp2p.Transport;
using Ipcs.Multiformats;

namespace Ipcs.Libp2p.Tests.Robustness;

/// <summary>
/// Every decoder against what grows out of its seeds (tests/Fuzz/libp2p.txt) by flipped bits, changed lengths, cuts and splices, for a bounded
/// time: it takes or refuses each in its own way, and nothing else happens. A failure prints the input, which is then added to the seeds.
/// </summary>
public sealed class MutationTests
{
    private static readonly TimeSpan Time = TimeSpan.FromSeconds(2);

    private static readonly Dictionary<string, Func<byte[], Task>> Decoders = new(StringComparer.Ordinal)
    {
        ["identify"] = input => Quiet(() => IdentifyMessage.TryDecode(input, out _)),
        ["record"] = input => Quiet(() => SignedPeerRecord.TryOpen(input, out _)),
        ["key"] = input => Quiet(() => PeerKey.TryParse(input, out PeerKey? key) && key.Verify([1, 2, 3], [4, 5, 6])),
        ["swarmkey"] = input => Quiet(() => SwarmKey.TryParse(input, out _)),
        ["multiaddr"] = input => Quiet(() => Multiaddr.TryParse(input, out Multiaddr? address) && AddressResolver.CanDial(address)),
        ["dns"] = input => Quiet(() => DnsTextQuery.TryDecode(input, DnsTextQuery.Encode(7, "a.example"), out _)),
        ["mdns"] = input => Quiet(() => DnsMessage.TryDecode(input, out DnsMessage? message)
            && message!.Answers.Concat(message.Additionals).Sum(r => r.Strings().Count + (r.Target()?.Length ?? 0)) > 0),
        ["noise"] = NoiseAsync,
        ["payload"] = PayloadAsync,
        ["multistream"] = MultistreamAsync,
        ["mplex"] = input => MuxerAsync((c, s) => new MplexMuxer(c, false, s), input),
        ["yamux"] = input => MuxerAsync((c, s) => new YamuxMuxer(c, false, s), input),
    };

    public static TheoryData<string> Names { get; } = [.. Decoders.Keys];

    [Theory]
    [MemberData(nameof(Names))]
    public async Task NothingBreaksIt(string decoder)
    {
        byte[][] seeds = Seeds(decoder);
        Assert.NotEmpty(seeds);
        foreach (byte[] seed in seeds)
        {
            await TryAsync(decoder, seed);
        }

        var random = new Random(20_260_101);
        long start = Stopwatch.GetTimestamp();
        while (Stopwatch.GetElapsedTime(start) < Time)
        {
            await TryAsync(decoder, Mutate(random, seeds));
        }
    }

    private static async Task TryAsync(string decoder, byte[] input)
    {
        try
        {
            await Decoders[decoder](input).WaitAsync(TimeSpan.FromSeconds(20));
        }
        catch (Exception e)
        {
            Assert.Fail($"{decoder} {Convert.ToHexStringLower(input)}: {e}");
        }
    }

    private static byte[][] Seeds(string decoder)
    {
        using var reader = new StreamReader(typeof(MutationTests).Assembly.GetManifestResourceStream("libp2p.txt")!);
        return [.. reader.ReadToEnd().Split('\n').Select(l => l.Split(' ')).Where(w => w[0] == decoder).Select(w => Convert.FromHexString(w[1]))];
    }

    private static byte[] Mutate(Random random, byte[][] seeds)
    {
        var bytes = new List<byte>(seeds[random.Next(seeds.Length)]);
        for (int i = random.Next(1, 6); i > 0; i--)
        {
            int at = random.Next(bytes.Count + 1);
            switch (random.Next(6))
            {
                case 0 when at < bytes.Count:
                    bytes[at] ^= (byte)(1 << random.Next(8));
                    break;
                case 1 when at < bytes.Count:
                    bytes[at] = (byte)(random.Next(2) == 0 ? 0xff : random.Next(256));
                    break;
                case 2:
                    bytes.RemoveRange(at, random.Next(bytes.Count - at + 1));
                    break;
                case 3:
                    byte[] noise = new byte[random.Next(1, 20)];
                    random.NextBytes(noise);
                    bytes.InsertRange(at, noise);
                    break;
                case 4:
                    byte[] other = seeds[random.Next(seeds.Length)];
                    bytes.InsertRange(at, other.AsSpan(random.Next(other.Length)).ToArray());
                    break;
                default:
                    bytes.InsertRange(at, Enumerable.Repeat((byte)0xff, random.Next(1, 12)));
                    break;
            }
        }

        return [.. bytes];
    }

    private static Task Quiet(Func<bool> decode)
    {
        _ = decode();
        return Task.CompletedTask;
    }

    /// <summary>A first message for the responder, and a second one for an initiator who is waiting.</summary>
    private static Task NoiseAsync(byte[] input)
    {
        using var identity = new NoiseIdentity(KeyPair.FromSeed(new byte[32]));
        using var responder = new NoiseHandshake(identity);
        using var initiator = new NoiseHandshake(identity);
        initiator.WriteA();
        foreach (Action<byte[]> read in new Action<byte[]>[] { m => responder.ReadA(m), m => initiator.ReadB(m) })
        {
            try
            {
                read(input);
            }
            catch (NoiseException)
            {
                // Refused.
            }
        }

        return Task.CompletedTask;
    }

    /// <summary>A payload under a handshake that is right in all else.</summary>
    private static Task PayloadAsync(byte[] input)
    {
        using var alice = new NoiseIdentity(KeyPair.FromSeed(new byte[32]));
        using var initiator = new NoiseHandshake(alice);
        using var responder = new NoiseHandshake(alice);
        responder.ReadA(initiator.WriteA());
        byte[] b = responder.WriteB(input);
        try
        {
            initiator.ReadB(b);
        }
        catch (NoiseException)
        {
            // Refused.
        }

        return Task.CompletedTask;
    }

    private static async Task MultistreamAsync(byte[] input)
    {
        var channel = new FixedChannel(input);
        try
        {
            await MultistreamSelect.AnswerAsync(channel, p => p == "/noise", CancellationToken.None);
        }
        catch (IOException)
        {
            // Refused, or it ended.
        }
    }

    private static async Task MuxerAsync(Func<NoiseChannel, MuxerSettings, Muxer> create, byte[] input)
    {
        // The peer's frames come sealed, in two pieces.
        byte[] key = new byte[32];
        using var sealing = NoiseChannel.FromKeys(new FixedChannel([]), default, key, key);
        var wire = new List<byte>();
        int half = input.Length / 2;
        foreach (byte[] piece in new[] { input[..half], input[half..] })
        {
            byte[] frame = new byte[NoiseChannel.HeadLength + piece.Length + NoiseChannel.TagLength];
            piece.CopyTo(frame, NoiseChannel.HeadLength);
            sealing.Seal(frame, piece.Length);
            wire.AddRange(frame);
        }

        var memory = new ResourceLimit(1 << 20);
        var settings = new MuxerSettings { OnInbound = s => s.HandlerEnded(), Memory = [memory] };
        Muxer muxer = create(NoiseChannel.FromKeys(new FixedChannel([.. wire]), default, key, key), settings);
        await muxer.RunAsync();
        if (muxer.Closed.IsCancellationRequested && memory.Used > 1 << 20)
        {
            throw new InvalidOperationException("the budget was overrun");
        }
    }
}
