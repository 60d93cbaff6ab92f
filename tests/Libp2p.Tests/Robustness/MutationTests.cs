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
using Ipcs.TestKit;

namespace Ipcs.Libp2p.Tests.Robustness;

/// <summary>
/// Runs every decoder for a bounded time on mutations of its seeds (tests/Fuzz/libp2p.txt): flipped bits, changed lengths, cuts and
/// splices. It must accept or refuse each as specified. A failure prints the input, to be added to the seeds.
/// </summary>
public sealed class MutationTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

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
    public Task A_mutated_input_is_decoded_or_refused(string decoder) =>
        Corpus.TryAsync("libp2p.txt", decoder, input => Decoders[decoder](input).WaitAsync(Patience));

    private static Task Quiet(Func<bool> decode)
    {
        _ = decode();
        return Task.CompletedTask;
    }

    /// <summary>Reads the input as the first message of a handshake, and as the second.</summary>
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
                // The input was refused.
            }
        }

        return Task.CompletedTask;
    }

    /// <summary>Uses the input as the payload of an otherwise correct handshake.</summary>
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
            // The input was refused.
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
            // The input was refused, or it ended early.
        }
    }

    private static async Task MuxerAsync(Func<NoiseChannel, MuxerSettings, Muxer> create, byte[] input)
    {
        // The peer's frames arrive encrypted, in two pieces.
        byte[] key = new byte[32];
        var sealing = NoiseChannel.FromKeys(new FixedChannel([]), default, key, key);
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
        var streams = new List<MuxedStream>();
        var settings = new MuxerSettings
        {
            OnInbound = stream =>
            {
                streams.Add(stream);
                stream.HandlerEnded();
            },
            Time = TimeProvider.System,
            Memory = [memory],
        };
        Muxer muxer = create(NoiseChannel.FromKeys(new FixedChannel([.. wire]), default, key, key), settings);
        await muxer.RunAsync();
        streams.ForEach(stream => stream.Reset());
        if (memory.Used != 0)
        {
            throw new InvalidOperationException("memory is still reserved");
        }
    }
}
