using System.Buffers;
using Ipcs.Bitswap.Wire;
using Ipcs.Blockstore;
using Ipcs.Libp2p;
using Ipcs.Multiformats;

namespace Ipcs.Bitswap.Resolve;

/// <summary>Where the answers come from; declared here, wired by Node.</summary>
public interface IResolveSource
{
    /// <summary>What is known of a digest here; null when nothing is.</summary>
    ContentRecord? Resolve(in Digest digest);
}

/// <summary>
/// "Which of these digests do you have?" Wire format: docs/protocols/resolve.md.
/// <code>
/// Question { 1: repeated bytes digest (multihash) }
/// Answer   { 1: repeated Content }   Content { 1: digest, 2: kind, 3: root (CID), 4: size, 5: profile, 6: complete }
/// </code>
/// </summary>
public sealed class ResolveService
{
    /// <summary>The protocol name.</summary>
    public const string Protocol = "/ipcs/resolve/1.0.0";

    /// <summary>The most digests in one question: an index of an image with many platforms has some hundreds.</summary>
    public const int MaxDigests = 1024;

    /// <summary>The longest message, in bytes: a thousand contents with room to spare.</summary>
    public const int MaxLength = 1 << 20;

    private static readonly TimeSpan AnswerTime = TimeSpan.FromSeconds(10);

    private readonly IHost _host;
    private readonly IResolveSource _source;

    /// <summary>Begins to answer.</summary>
    public ResolveService(IHost host, IResolveSource source)
    {
        _host = host;
        _source = source;
        host.Handle(Protocol, AnswerAsync);
    }

    /// <summary>Asks one connected peer. What it does not have is not in the answer.</summary>
    /// <exception cref="IOException">It does not answer, or not to the question.</exception>
    public async Task<IReadOnlyList<ContentRecord>> AskAsync(PeerId peer, IReadOnlyList<Digest> digests, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(digests.Count, MaxDigests);
        await using PeerStream stream = await _host.OpenStreamAsync(peer, [Protocol], cancellationToken);
        var question = new ArrayBufferWriter<byte>(40 * digests.Count);
        foreach (Digest digest in digests)
        {
            ProtoField.WriteBytes(question, 1, digest.Hash.ToArray());
        }

        await stream.WriteMessageAsync(question.WrittenMemory, cancellationToken);
        await stream.CloseWriteAsync(cancellationToken);
        using IMemoryOwner<byte>? answer = await stream.ReadMessageAsync(MaxLength, cancellationToken);
        return answer is not null && TryDecodeAnswer(answer.Memory.Span, digests, out List<ContentRecord> records)
            ? records
            : throw new InvalidDataException($"{peer} answers a resolve question with something else");
    }

    private async Task AnswerAsync(PeerStream stream, CancellationToken cancellationToken)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(AnswerTime);
        using IMemoryOwner<byte>? question = await stream.ReadMessageAsync(MaxLength, limit.Token);
        if (question is null || !TryDecodeQuestion(question.Memory.Span, out List<Digest> digests))
        {
            throw new InvalidDataException("a resolve question is no list of digests");
        }

        var answer = new ArrayBufferWriter<byte>(256);
        foreach (Digest digest in digests)
        {
            if (_source.Resolve(digest) is { } record)
            {
                ProtoField.WriteBytes(answer, 1, Encode(record));
            }
        }

        await stream.WriteMessageAsync(answer.WrittenMemory, limit.Token);
    }

    private static ReadOnlySpan<byte> Encode(ContentRecord record)
    {
        var output = new ArrayBufferWriter<byte>(128);
        ProtoField.WriteBytes(output, 1, record.Digest.Hash.ToArray());
        ProtoField.WriteNumber(output, 2, (ulong)record.Kind);
        ProtoField.WriteBytes(output, 3, record.Root.ToArray());
        ProtoField.WriteNumber(output, 4, (ulong)record.Size);
        ProtoField.WriteBytes(output, 5, System.Text.Encoding.UTF8.GetBytes(record.Profile));
        ProtoField.WriteNumber(output, 6, record.Complete ? 1u : 0u);
        return output.WrittenSpan;
    }

    private static bool TryDecodeQuestion(ReadOnlySpan<byte> source, out List<Digest> digests)
    {
        digests = [];
        while (source.Length > 0)
        {
            if (!ProtoField.TryRead(ref source, out ProtoField field, out ReadOnlySpan<byte> bytes)
                || field is not { Number: 1, Wire: 2 }
                || digests.Count == MaxDigests
                || !TryDigest(bytes, out Digest digest))
            {
                return false;
            }

            digests.Add(digest);
        }

        return true;
    }

    private static bool TryDecodeAnswer(ReadOnlySpan<byte> source, IReadOnlyList<Digest> asked, out List<ContentRecord> records)
    {
        records = [];
        while (source.Length > 0)
        {
            if (!ProtoField.TryRead(ref source, out ProtoField field, out ReadOnlySpan<byte> bytes)
                || field is not { Number: 1, Wire: 2 }
                || records.Count == asked.Count
                || !TryDecodeContent(bytes, out ContentRecord? record)
                || !asked.Contains(record!.Digest))
            {
                return false;
            }

            records.Add(record);
        }

        return true;
    }

    private static bool TryDecodeContent(ReadOnlySpan<byte> source, out ContentRecord? record)
    {
        record = null;
        Digest digest = default;
        Cid root = default;
        ulong kind = 0, size = 0, complete = 0;
        string profile = "";
        while (source.Length > 0)
        {
            if (!ProtoField.TryRead(ref source, out ProtoField field, out ReadOnlySpan<byte> bytes))
            {
                return false;
            }

            switch (field.Number, field.Wire)
            {
                case (1, 2) when TryDigest(bytes, out digest):
                    break;
                case (2, 0) when field.Value <= 1:
                    kind = field.Value;
                    break;
                case (3, 2) when Cid.TryParse(bytes, out root):
                    break;
                case (4, 0) when field.Value <= long.MaxValue:
                    size = field.Value;
                    break;
                case (5, 2) when bytes.Length <= 64:
                    profile = System.Text.Encoding.UTF8.GetString(bytes);
                    break;
                case (6, 0):
                    complete = field.Value;
                    break;
                default:
                    return false;
            }
        }

        if (digest.IsDefault || root.IsDefault)
        {
            return false;
        }

        record = new ContentRecord
        {
            Digest = digest, Kind = (ContentKind)kind, Root = root, Size = (long)size, Profile = profile, Complete = complete != 0,
        };
        return true;
    }

    private static bool TryDigest(ReadOnlySpan<byte> bytes, out Digest digest)
    {
        bool good = Multihash.TryParse(bytes, out Multihash hash) && hash.Code is Multihash.Sha2_256 or Multihash.Sha2_384 or Multihash.Sha2_512;
        digest = good ? new Digest(hash) : default;
        return good;
    }
}
