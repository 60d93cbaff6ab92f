using Ipcs.TestKit;
using Ipcs.Multiformats;
using Ipcs.Node.Daemon;

namespace Ipcs.Node.Tests.Daemon;

public sealed class DataFolderTests : IDisposable
{
    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Only_the_owner_can_read_the_key_and_it_is_not_replaced()
    {
        PeerId peer = DataFolder.Prepare(_folder["data"]).PeerId;
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(DataFolder.KeyFile(_folder["data"])));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute, File.GetUnixFileMode(_folder["data"]));
        Assert.Equal(peer, DataFolder.Prepare(_folder["data"]).PeerId);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(5)]
    [InlineData(67)]
    [InlineData(200)]
    public void A_damaged_key_is_an_error_and_is_not_replaced(int length)
    {
        DataFolder.Prepare(_folder["data"]);
        string file = DataFolder.KeyFile(_folder["data"]);
        byte[] damaged = [.. File.ReadAllBytes(file).Concat(new byte[200]).Take(length)];
        File.WriteAllBytes(file, damaged);
        Assert.Contains(file, Assert.Throws<IOException>(() => DataFolder.Prepare(_folder["data"])).Message, StringComparison.Ordinal);
        Assert.Equal(damaged, File.ReadAllBytes(file));
    }

    [Fact]
    public void A_key_that_others_can_read_is_detected()
    {
        DataFolder.Prepare(_folder["data"]);
        Assert.False(DataFolder.IsKeyExposed(_folder["data"]));
        File.SetUnixFileMode(DataFolder.KeyFile(_folder["data"]), UnixFileMode.UserRead | UnixFileMode.OtherRead);
        Assert.True(DataFolder.IsKeyExposed(_folder["data"]));
    }
}
