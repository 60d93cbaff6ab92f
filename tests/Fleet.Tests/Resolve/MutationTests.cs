using Ipcs.Fleet.Resolve;
using Ipcs.Multiformats;
using Ipcs.TestKit;

namespace Ipcs.Fleet.Tests.Resolve;

/// <summary>Resolve messages mutated from the seeds in tests/Fuzz/fleet.txt.</summary>
public sealed class MutationTests
{
    private const string File = "fleet.txt";

    private static readonly Digest[] Asked = [Digest.Sha256("one"u8), Sha512("two"u8)];

    [Fact]
    public void Mutated_questions_are_decoded_or_refused() => Corpus.Try(File, "question", bytes =>
    {
        if (ResolveWire.TryDecodeQuestion(bytes, out List<ResolveQuestion> questions))
        {
            Assert.True(ResolveWire.TryDecodeQuestion(ResolveWire.EncodeQuestion(questions), out List<ResolveQuestion> again));
            Assert.Equal(questions, again);
        }
    });

    [Fact]
    public void Mutated_answers_are_decoded_or_refused() => Corpus.Try(File, "answer", bytes =>
    {
        if (ResolveWire.TryDecodeAnswer(bytes, Asked, out ResolveAnswer answer))
        {
            IReadOnlyList<ResolvedContent> contents = answer.Contents;
            Assert.All(answer.Growing, g => Assert.Contains(g.Digest, Asked));
            Assert.All(contents, c => Assert.Contains(c.Record.Digest, Asked));
            Assert.All(contents, c => Assert.True(c.RootBlock.IsEmpty || c.Record.Root.Hash.Verifies(c.RootBlock.Span)));
        }
    });

    private static Digest Sha512(ReadOnlySpan<byte> bytes)
    {
        Assert.True(Multihash.TryCompute(Multihash.Sha2_512, bytes, out Multihash hash));
        return new Digest(hash);
    }
}
