using Ipcs.Blockstore.Posix;
using Ipcs.TestKit;
using System.Globalization;
using System.Text.RegularExpressions;
using Ipcs.CommandLine;

namespace Ipcs.CommandLine.Tests;

public sealed partial class UploadContentTests : IDisposable
{
    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Large_files_are_passed_and_small_ones_sent()
    {
        Write("d/large", 1 << 20);
        Write("d/small", 1000);
        IReadOnlyList<UploadEntry> entries = UploadEntry.Find(_folder["d"], hidden: false);
        using PassedFiles passed = PassedFiles.Open(entries);
        using var content = new UploadContent(entries, passed);
        string body = await content.ReadAsStringAsync(TestContext.Current.CancellationToken);
        Match head = Assert.Single(Heads().Matches(body));
        Assert.Equal("d%2Flarge", head.Groups["name"].Value);
        Assert.Equal(passed.One, head.Groups["number"].Value);
        Assert.Equal(_folder["d/large"], File.ResolveLinkTarget($"/proc/self/fd/{passed.One}", returnFinalTarget: false)!.FullName);
        Assert.InRange(body.Length, 1000, 3000);
    }

    [Fact]
    public async Task Without_passing_everything_is_sent()
    {
        Write("f", 1 << 20);
        using var content = new UploadContent(UploadEntry.Find(_folder["f"], hidden: false));
        byte[] body = await content.ReadAsByteArrayAsync(TestContext.Current.CancellationToken);
        Assert.InRange(body.Length, 1 << 20, (1 << 20) + 1000);
        Assert.Equal(content.Headers.ContentLength, body.Length);
    }

    [Fact]
    public void Of_many_files_the_largest_are_passed()
    {
        for (int i = 0; i < 300; i++)
        {
            Write(string.Create(CultureInfo.InvariantCulture, $"d/{i}"), (1 << 20) + i);
        }

        IReadOnlyList<UploadEntry> entries = UploadEntry.Find(_folder["d"], hidden: false);
        using PassedFiles passed = PassedFiles.Open(entries);
        Assert.Equal(
            Enumerable.Range(44, 256).Select(i => (long?)(1 << 20) + i),
            entries.Where(e => passed.Number(e) is not null).Select(e => e.Length).Order());
    }

    [Fact]
    public void What_the_other_side_reads_is_seen()
    {
        Write("f", 1 << 20);
        IReadOnlyList<UploadEntry> entries = UploadEntry.Find(_folder["f"], hidden: false);
        using PassedFiles passed = PassedFiles.Open(entries);
        Assert.Equal(0, passed.TakeRead());
        using (var other = new Microsoft.Win32.SafeHandles.SafeFileHandle(int.Parse(passed.One, CultureInfo.InvariantCulture), ownsHandle: false))
        {
            PassedDescriptor.SetPosition(other, 1000);
        }

        Assert.Equal(1000, passed.TakeRead());
        Assert.Equal(0, passed.TakeRead());
    }

    [Fact]
    public void A_file_that_is_gone_is_named()
    {
        Write("f", 1 << 20);
        IReadOnlyList<UploadEntry> entries = UploadEntry.Find(_folder["f"], hidden: false);
        File.Delete(_folder["f"]);
        Assert.Contains(_folder["f"], Assert.Throws<CommandException>(() => PassedFiles.Open(entries)).Message, StringComparison.Ordinal);
    }

    // Sparse: nothing of it lies on the disk.
    private void Write(string name, long length)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(_folder[name])!);
        using FileStream file = File.Create(_folder[name]);
        file.SetLength(length);
    }

    [GeneratedRegex("filename=\"(?<name>[^\"]*)\"\r\nContent-Type: application/octet-stream\r\nIpcs-Descriptor: (?<number>[0-9]+)\r\n\r\n\r\n", RegexOptions.ExplicitCapture)]
    private static partial Regex Heads();
}
