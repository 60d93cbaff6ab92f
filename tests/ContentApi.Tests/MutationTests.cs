using Ipcs.Multiformats;
using System.Buffers;
using System.Text;
using Ipcs.ContentApi.Filters;
using Ipcs.ContentApi.Wire;
using Ipcs.TestKit;

namespace Ipcs.ContentApi.Tests;

/// <summary>
/// Mutations of the seeds in tests/Fuzz/contentapi.txt: requests and manifests are parsed, or refused with the one exception that becomes a
/// status.
/// </summary>
public sealed class MutationTests
{
    private const string File = "contentapi.txt";

    [Fact]
    public void Mutated_manifests_are_scanned() => Corpus.Try(
        File, "manifest", bytes => Assert.InRange(DescriptorScan.Descriptors(bytes).Count, 0, 4096));

    [Fact]
    public void Mutated_filters_are_parsed_or_refused() => Corpus.Try(File, "filter", bytes =>
    {
        try
        {
            ContentFilter filter = ContentFilter.Parse([Encoding.UTF8.GetString(bytes)]);
            _ = filter.Matches(_ => null);
            _ = filter.Matches(path => string.Join('.', path));
        }
        catch (FormatException)
        {
            // Refused.
        }
    });

    [Fact]
    public void Mutated_writes_are_parsed_or_refused() => Corpus.Try(File, "write", bytes =>
    {
        try
        {
            using WriteRequest request = WriteRequest.Parse(new ReadOnlySequence<byte>(bytes));
            Assert.InRange(request.Data.Length, 0, bytes.Length);
        }
        catch (WireFormatException)
        {
            // Refused.
        }
    });
}
