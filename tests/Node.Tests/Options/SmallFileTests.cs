using Ipcs.Node.Options;
using Ipcs.TestKit;

namespace Ipcs.Node.Tests.Options;

public sealed class SmallFileTests : IDisposable
{
    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("")]
    [InlineData("12345678")]
    [InlineData("äöü")]
    public void A_file_up_to_the_bound_is_read(string text)
    {
        File.WriteAllText(_folder["file"], text);
        Assert.Equal(text, SmallFile.ReadText(_folder["file"], 8));
    }

    [Theory]
    [InlineData("/dev/zero", "longer than 8 bytes")]
    [InlineData("/", "is a folder")]
    [InlineData("/nowhere/file", "/nowhere/file: ")]
    public void What_is_no_small_file_is_an_error_that_names_it(string file, string problem) =>
        Assert.Contains(problem, Assert.Throws<OptionsException>(() => SmallFile.ReadText(file, 8)).Message, StringComparison.Ordinal);
}
