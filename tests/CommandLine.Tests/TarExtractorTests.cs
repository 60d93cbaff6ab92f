using System.Formats.Tar;
using Ipcs.TestKit;

namespace Ipcs.CommandLine.Tests;

public sealed class TarExtractorTests : IDisposable
{
    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("../evil")]
    [InlineData("/evil")]
    [InlineData("root/../../evil")]
    [InlineData("root/./evil")]
    [InlineData("root//evil")]
    [InlineData("other/evil")]
    [InlineData("rootevil")]
    public async Task A_name_that_leads_elsewhere_is_refused(string name)
    {
        CommandException error = await Assert.ThrowsAsync<CommandException>(() => ExtractAsync(File(name, "x")));
        Assert.Contains(name, error.Message, StringComparison.Ordinal);
        Assert.Empty(Directory.GetFiles(_folder.Path, "evil", SearchOption.AllDirectories));
    }

    [Fact]
    public async Task Nothing_is_written_through_a_link_of_the_archive()
    {
        Directory.CreateDirectory(_folder["victim"]);
        await Assert.ThrowsAnyAsync<Exception>(() => ExtractAsync(
            new PaxTarEntry(TarEntryType.Directory, "root/"),
            new PaxTarEntry(TarEntryType.SymbolicLink, "root/way") { LinkName = _folder["victim"] },
            File("root/way/evil", "x")));
        Assert.Empty(Directory.GetFiles(_folder["victim"]));
    }

    [Fact]
    public async Task Nothing_is_written_through_a_link_that_was_there()
    {
        Directory.CreateDirectory(_folder["victim"]);
        Directory.CreateDirectory(_folder["out"]);
        System.IO.File.CreateSymbolicLink(_folder["out/way"], _folder["victim"]);
        await Assert.ThrowsAsync<CommandException>(
            () => ExtractAsync(new PaxTarEntry(TarEntryType.Directory, "root/"), File("root/way/evil", "x")));
        Assert.Empty(Directory.GetFiles(_folder["victim"]));
    }

    [Fact]
    public async Task A_file_takes_the_place_of_a_link()
    {
        System.IO.File.WriteAllText(_folder["victim"], "untouched");
        Directory.CreateDirectory(_folder["out"]);
        System.IO.File.CreateSymbolicLink(_folder["out/f"], _folder["victim"]);
        Assert.Equal(1, await ExtractAsync(new PaxTarEntry(TarEntryType.Directory, "root/"), File("root/f", "x")));
        Assert.Equal("untouched", System.IO.File.ReadAllText(_folder["victim"]));
        Assert.Equal("x", System.IO.File.ReadAllText(_folder["out/f"]));
    }

    [Theory]
    [InlineData(TarEntryType.HardLink)]
    [InlineData(TarEntryType.Fifo)]
    [InlineData(TarEntryType.CharacterDevice)]
    public async Task Only_files_directories_and_links_are_made(TarEntryType type)
    {
        var entry = new PaxTarEntry(type, "root");
        if (type == TarEntryType.HardLink)
        {
            entry.LinkName = "/etc/passwd";
        }

        await Assert.ThrowsAsync<CommandException>(() => ExtractAsync(entry));
        Assert.False(Path.Exists(_folder["out"]));
    }

    [Fact]
    public async Task An_empty_or_malformed_archive_is_an_error()
    {
        await Assert.ThrowsAsync<CommandException>(() => ExtractAsync());
        using var rubbish = new MemoryStream([.. Enumerable.Repeat((byte)0x7f, 2000)]);
        var extractor = new TarExtractor(_folder["out"], TimeProvider.System);
        await Assert.ThrowsAsync<CommandException>(
            () => extractor.ExtractAsync(rubbish, "root", TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task A_read_only_directory_is_filled_first()
    {
        await ExtractAsync(
            new PaxTarEntry(TarEntryType.Directory, "root/") { Mode = UnixFileMode.UserRead | UnixFileMode.UserExecute },
            File("root/f", "x"));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserExecute, System.IO.File.GetUnixFileMode(_folder["out"]));
        Assert.Equal("x", System.IO.File.ReadAllText(_folder["out/f"]));
        System.IO.File.SetUnixFileMode(_folder["out"], UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
    }

    private static PaxTarEntry File(string name, string text) =>
        new(TarEntryType.RegularFile, name) { DataStream = new MemoryStream(System.Text.Encoding.UTF8.GetBytes(text)) };

    private async Task<long> ExtractAsync(params TarEntry[] entries)
    {
        using var archive = new MemoryStream();
        await using (var writer = new TarWriter(archive, TarEntryFormat.Pax, leaveOpen: true))
        {
            foreach (TarEntry entry in entries)
            {
                await writer.WriteEntryAsync(entry);
            }
        }

        archive.Position = 0;
        var extractor = new TarExtractor(_folder["out"], TimeProvider.System);
        return await extractor.ExtractAsync(archive, "root", TestContext.Current.CancellationToken);
    }
}
