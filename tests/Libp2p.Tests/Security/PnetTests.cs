using System.Text;
using Ipcs.Libp2p.Identity;
using Ipcs.Libp2p.Perf;
using Ipcs.Libp2p.Security.Pnet;
using Ipcs.Libp2p.Swarm;
using Ipcs.Multiformats;
using Ipcs.TestKit;

namespace Ipcs.Libp2p.Tests.Security;

/// <summary>Swarm keys: their files, the cipher, and connections with and without the key.</summary>
public sealed class PnetTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public void Every_form_of_a_key_file_is_read()
    {
        byte[] key = Xs128.Bytes("swarm", 32);
        foreach (byte[] file in new[]
        {
            File("/base16/", Convert.ToHexString(key)),
            File("/base16/", Convert.ToHexStringLower(key) + "\n"),
            File("/base64/", Convert.ToBase64String(key) + "\n"),
            [.. File("/bin/", ""), .. key],
            Encoding.ASCII.GetBytes($"/key/swarm/psk/1.0.0/\r\n/base16/\r\n{Convert.ToHexString(key)}\r\n"),
        })
        {
            Assert.True(SwarmKey.TryParse(file, out SwarmKey? parsed));
            Assert.Equal(key, parsed.Bytes.ToArray());
        }
    }

    [Theory]
    [InlineData("")]
    [InlineData("/key/swarm/psk/1.0.0/")]
    [InlineData("/key/swarm/psk/2.0.0/\n/base16/\n0000000000000000000000000000000000000000000000000000000000000000")]
    [InlineData("/key/swarm/psk/1.0.0/\n/base32/\n0000000000000000000000000000000000000000000000000000000000000000")]
    [InlineData("/key/swarm/psk/1.0.0/\n/base16/\n00000000000000000000000000000000000000000000000000000000000000")]
    [InlineData("/key/swarm/psk/1.0.0/\n/base16/\n00000000000000000000000000000000000000000000000000000000000000zz")]
    public void Other_files_are_refused(string file) => Assert.False(SwarmKey.TryParse(Encoding.ASCII.GetBytes(file), out _));

    [Fact]
    public void A_new_key_is_readable_by_its_owner_only_and_replaces_no_other()
    {
        using var folder = new TempFolder();
        string path = folder["swarm.key"];
        SwarmKey.Create(path);
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, System.IO.File.GetUnixFileMode(path));
        string text = System.IO.File.ReadAllText(path);
        Assert.Matches("^/key/swarm/psk/1.0.0/\n/base16/\n[0-9a-f]{64}\n$", text);
        Assert.Equal(text[^65..^1], Convert.ToHexStringLower(SwarmKey.Load(path).Bytes));
        Assert.Throws<IOException>(() => SwarmKey.Create(path));
        Assert.Equal(text, System.IO.File.ReadAllText(path));
        Assert.Single(Directory.GetFiles(Path.GetDirectoryName(path)!));
        SwarmKey.Create(folder["other.key"]);
        Assert.NotEqual(text, System.IO.File.ReadAllText(folder["other.key"]));
    }

    /// <summary>A vector of NaCl's tests (tests/stream3.c): the first bytes of a key stream.</summary>
    [Fact]
    public void The_cipher_is_XSalsa20()
    {
        Start();
        byte[] key = Convert.FromHexString("1b27556473e985d462cd51197a9a46c76009549eac6474f206c4ee0844f68389");
        byte[] nonce = Convert.FromHexString("69696ee955b62b73cd62bda875fc73d68219e0036b7a0b37");
        byte[] stream = new byte[32];
        new XSalsa20(key, nonce).Apply(stream);
        Assert.Equal("eea6a7251c1e72916d11c2cb214d3c252539121d8e234e652d651fa4c8cff880", Convert.ToHexStringLower(stream));
    }

    [Fact]
    public void Pieces_are_encrypted_as_the_whole()
    {
        Start();
        byte[] key = Xs128.Bytes("key", 32), nonce = Xs128.Bytes("nonce", 24), data = Xs128.Bytes("data", 5000);
        byte[] whole = [.. data];
        new XSalsa20(key, nonce).Apply(whole);
        var cipher = new XSalsa20(key, nonce);
        for (int start = 0, size = 1; start < data.Length; start += size, size = (size * 7 % 300) + 1)
        {
            cipher.Apply(data.AsSpan(start, Math.Min(size, data.Length - start)));
        }

        Assert.Equal(whole, data);
    }

    [Fact]
    public async Task Only_hosts_with_the_key_connect()
    {
        SwarmKey key = Key("one"), other = Key("two");
        await using Host a = await StartAsync(key);
        await using Host friend = await StartAsync(key);
        await using Host stranger = await StartAsync(other);
        await using Host open = await StartAsync(null);
        PeerInfo peer = await friend.ConnectAsync(a.ListenAddresses[0], Cancel);
        Assert.Equal(a.LocalPeer, peer.Peer);
        PerfResult result = await friend.PerfAsync(a.LocalPeer, 3_000_000, 3_000_000, Cancel);
        Assert.True(result.Download > TimeSpan.Zero);
        await Assert.ThrowsAsync<ConnectException>(() => stranger.ConnectAsync(a.ListenAddresses[0], Cancel));
        await Assert.ThrowsAsync<ConnectException>(() => open.ConnectAsync(a.ListenAddresses[0], Cancel));
        await Assert.ThrowsAsync<ConnectException>(() => a.ConnectAsync(open.ListenAddresses[0], Cancel));
        Assert.Single(a.Peers);
    }

    private static void Start() => KeyPair.Generate();

    private static SwarmKey Key(string seed)
    {
        Assert.True(SwarmKey.TryParse(File("/base16/", Convert.ToHexString(Xs128.Bytes(seed, 32))), out SwarmKey? key));
        return key;
    }

    private static byte[] File(string encoding, string text) => Encoding.ASCII.GetBytes($"/key/swarm/psk/1.0.0/\n{encoding}\n{text}");

    private static async Task<Host> StartAsync(SwarmKey? key)
    {
        var host = new Host(new HostOptions
        {
            Time = TimeProvider.System,
            Seed = 1,
            KeyPair = KeyPair.Generate(),
            ListenAddresses = [Multiaddr.Parse("/ip4/127.0.0.1/tcp/0")],
            SwarmKey = key,
            UpgradeTime = TimeSpan.FromSeconds(2),
        });
        await host.StartAsync(Cancel);
        return host;
    }
}
