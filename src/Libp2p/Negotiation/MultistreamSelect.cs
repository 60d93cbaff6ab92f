using System.Buffers;
using System.Collections.Concurrent;
using System.Text;
using Ipcs.Libp2p.Transport;
using Ipcs.Multiformats;

namespace Ipcs.Libp2p.Negotiation;

/// <summary>
/// multistream-select 1.0. Spec: https://github.com/multiformats/multistream-select.
/// <code>token = varint(length) text "\n"</code>
/// </summary>
internal static class MultistreamSelect
{
    private const string Header = "/multistream/1.0.0";
    private const string NotAvailable = "na";

    /// <summary>The longest token accepted, in bytes: no protocol name comes near it.</summary>
    public const int MaxToken = 1024;

    private static readonly ConcurrentDictionary<string, byte[]> Proposals = new(StringComparer.Ordinal);

    /// <summary>The maximum number of proposals of a peer.</summary>
    private const int MaxProposals = 64;

    /// <summary>
    /// Proposes protocols in order and returns the accepted one. The first proposal goes out with the header in one write.
    /// </summary>
    public static async ValueTask<string> SelectAsync(
        IByteChannel channel, IReadOnlyList<string> protocols, CancellationToken cancellationToken)
    {
        await channel.WriteAsync(Encode(Header, protocols[0]), cancellationToken);
        if (await ReadAsync(channel, cancellationToken) != Header)
        {
            throw new NegotiationException("the peer does not support multistream-select 1.0");
        }

        for (int i = 0; ;)
        {
            string answer = await ReadAsync(channel, cancellationToken);
            if (answer == protocols[i])
            {
                return answer;
            }

            if (answer != NotAvailable)
            {
                throw new NegotiationException($"the peer answered '{answer}' to '{protocols[i]}'");
            }

            if (++i == protocols.Count)
            {
                throw new NegotiationException($"the peer supports none of {string.Join(", ", protocols)}");
            }

            await channel.WriteAsync(Encode(protocols[i]), cancellationToken);
        }
    }

    /// <summary>
    /// The header and proposal of a protocol that the peer is known to support, to be sent without waiting for the answer:
    /// <see cref="ReadAnswerAsync"/> reads the answer before the first byte that follows.
    /// </summary>
    public static ReadOnlyMemory<byte> Propose(string protocol) => Proposals.GetOrAdd(protocol, static p => Encode(Header, p));

    /// <summary>Reads the answer to <see cref="Propose"/>.</summary>
    public static async ValueTask ReadAnswerAsync(IByteChannel channel, string protocol, CancellationToken cancellationToken)
    {
        if (await ReadAsync(channel, cancellationToken) != Header)
        {
            throw new NegotiationException("the peer does not support multistream-select 1.0");
        }

        string answer = await ReadAsync(channel, cancellationToken);
        if (answer != protocol)
        {
            throw new NegotiationException($"the peer answered '{answer}' to '{protocol}'");
        }
    }

    /// <summary>Answers proposals until one is supported, and returns that.</summary>
    public static async ValueTask<string> AnswerAsync(
        IByteChannel channel, Predicate<string> supported, CancellationToken cancellationToken)
    {
        if (await ReadAsync(channel, cancellationToken) != Header)
        {
            throw new NegotiationException("the peer does not support multistream-select 1.0");
        }

        // A peer may wait for our header before it proposes. One that has proposed already gets header and answer in one write.
        bool greeted = !channel.HasBuffered;
        if (greeted)
        {
            await channel.WriteAsync(Encode(Header), cancellationToken);
        }

        for (int i = 0; i < MaxProposals; i++)
        {
            string proposal = await ReadAsync(channel, cancellationToken);
            bool known = supported(proposal);
            string answer = known ? proposal : NotAvailable;
            await channel.WriteAsync(greeted ? Encode(answer) : Encode(Header, answer), cancellationToken);
            greeted = true;
            if (known)
            {
                return proposal;
            }
        }

        throw new NegotiationException($"no protocol was accepted after {MaxProposals} proposals");
    }

    /// <summary>Encodes tokens.</summary>
    public static byte[] Encode(params ReadOnlySpan<string> tokens)
    {
        var output = new ArrayBufferWriter<byte>(64);
        foreach (string token in tokens)
        {
            int length = Encoding.UTF8.GetByteCount(token) + 1;
            output.Advance(Varint.Write(output.GetSpan(Varint.MaxLength), (ulong)length));
            Encoding.UTF8.GetBytes(token, output);
            output.Write("\n"u8);
        }

        return output.WrittenSpan.ToArray();
    }

    private static async ValueTask<string> ReadAsync(IByteChannel channel, CancellationToken cancellationToken)
    {
        byte[] buffer = new byte[64];
        int length = 0;
        for (int n = 1; ; n++)
        {
            // One byte at a time: what follows the token must stay in the channel.
            await channel.ReadExactlyAsync(buffer.AsMemory(n - 1, 1), cancellationToken);
            OperationStatus status = Varint.TryRead(buffer.AsSpan(0, n), out ulong value, out _);
            if (status == OperationStatus.Done && value is > 0 and <= MaxToken)
            {
                length = (int)value;
                break;
            }

            if (status != OperationStatus.NeedMoreData || n == 3)
            {
                throw new NegotiationException($"a token is empty or longer than {MaxToken} bytes");
            }
        }

        if (length > buffer.Length)
        {
            buffer = new byte[length];
        }

        await channel.ReadExactlyAsync(buffer.AsMemory(0, length), cancellationToken);
        return buffer[length - 1] == (byte)'\n'
            ? Encoding.UTF8.GetString(buffer, 0, length - 1)
            : throw new NegotiationException("a token does not end in a newline");
    }
}
