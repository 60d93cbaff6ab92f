using System.Globalization;
using System.Text.RegularExpressions;
using Ipcs.Blockstore.Posix;
using Ipcs.TestKit;
using Microsoft.Win32.SafeHandles;

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
        using var content = new UploadContent(entries, TimeProvider.System, passed);
        string body = await content.ReadAsStringAsync(TestContext.Current.CancellationToken);
        Match head = Assert.Single(Heads().Matches(body));
        Assert.Equal("d%2Flarge", head.Groups["name"].Value);
        Assert.Equal(passed.FirstNumber, head.Groups["number"].Value);
        string link = $"/proc/self/fd/{passed.FirstNumber}";
        Assert.Equal(_folder["d/large"], File.ResolveLinkTarget(link, returnFinalTarget: false)!.FullName);
        Assert.InRange(body.Length, 1000, 3000);
    }

    [Fact]
    public async Task Without_passed_files_all_bytes_are_sent()
    {
        Write("f", 1 << 20);
        using var content = new UploadContent(UploadEntry.Find(_folder["f"], hidden: false), TimeProvider.System);
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
    public void The_bytes_that_the_daemon_has_read_are_reported_once()
    {
        Write("f", 1 << 20);
        IReadOnlyList<UploadEntry> entries = UploadEntry.Find(_folder["f"], hidden: false);
        using PassedFiles passed = PassedFiles.Open(entries);
        Assert.Equal(0, passed.TakeRead());
        using (var other = new SafeFileHandle(int.Parse(passed.FirstNumber, CultureInfo.InvariantCulture), ownsHandle: false))
        {
            PassedDescriptor.SetPosition(other, 1000);
        }

        Assert.Equal(1000, passed.TakeRead());
        Assert.Equal(0, passed.TakeRead());
    }

    [Fact]
    public void An_error_names_the_file_that_is_gone()
    {
        Write("f", 1 << 20);
        IReadOnlyList<UploadEntry> entries = UploadEntry.Find(_folder["f"], hidden: false);
        File.Delete(_folder["f"]);
        Assert.Contains(_folder["f"], Assert.Throws<CommandException>(() => PassedFiles.Open(entries)).Message, StringComparison.Ordinal);
    }

    // Sparse, so that it needs no disk space.
    private void Write(string name, long length)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(_folder[name])!);
        using FileStream file = File.Create(_folder[name]);
        file.SetLength(length);
    }

    [GeneratedRegex(
        "filename=\"(?<name>[^\"]*)\"\r\nContent-Type: application/octet-stream\r\nIpcs-Descriptor: (?<number>[0-9]+)\r\n\r\n\r\n",
        RegexOptions.ExplicitCapture)]
    private static partial Regex Heads();
}
