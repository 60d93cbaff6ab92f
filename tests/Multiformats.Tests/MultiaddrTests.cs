using System.Net;
using System.Text.Json;
using Ipcs.TestKit;

namespace Ipcs.Multiformats.Tests;

public sealed class MultiaddrTests
{
    private const string Peer = "12D3KooWP4hGPC3FqFv5stJtuFp5MPLG5uo2GNwPk4Ek722X9qun";
    private static readonly JsonElement Golden = Vectors.Load("multiaddr-vectors.json");

    [Fact]
    public void Pairs_round_trip()
    {
        foreach (JsonElement vector in Golden.GetProperty("pairs").EnumerateArray())
        {
            string text = vector.Text("text")!;
            byte[] bytes = vector.Hex("hex")!;
            Assert.True(Multiaddr.TryParse(text, out Multiaddr? fromText), text);
            Assert.Equal(bytes, fromText.Bytes.ToArray());
            Assert.True(Multiaddr.TryParse(bytes, out Multiaddr? fromBytes), text);
            Assert.Equal(text, fromBytes.ToString());
            Assert.Equal(fromText, fromBytes);
            JsonElement[] parts = [.. vector.GetProperty("components").EnumerateArray()];
            Assert.Equal(parts.Length, fromBytes.Components.Count);
            for (int i = 0; i < parts.Length; i++)
            {
                Assert.Equal(parts[i].GetProperty("code").GetUInt32(), fromBytes.Components[i].Protocol.Code);
                Assert.Equal(parts[i].Text("name"), fromBytes.Components[i].Protocol.Name);
                Assert.Equal(parts[i].Text("value") ?? "", fromBytes.Components[i].Value);
            }
        }
    }

    [Fact]
    public void Aliases_become_canonical()
    {
        foreach (JsonElement vector in Golden.GetProperty("alias").EnumerateArray())
        {
            Multiaddr value = Multiaddr.Parse(vector.Text("text")!);
            Assert.Equal(vector.Hex("hex"), value.Bytes.ToArray());
            Assert.Equal(vector.Text("canonical"), value.ToString());
        }
    }

    [Fact]
    public void Invalid_forms_are_refused()
    {
        foreach (JsonElement vector in Golden.GetProperty("invalidText").EnumerateArray())
        {
            Assert.False(Multiaddr.TryParse(vector.Text("text"), out _), vector.GetRawText());
        }

        foreach (JsonElement vector in Golden.GetProperty("invalidBytes").EnumerateArray())
        {
            Assert.False(Multiaddr.TryParse(vector.Hex("hex"), out _), vector.GetRawText());
        }

        Assert.False(Multiaddr.TryParse(string.Concat(Enumerable.Repeat("/ws", Multiaddr.MaxComponents + 1)), out _));
        Assert.False(Multiaddr.TryParse("/dns4/" + new string('a', Multiaddr.MaxLength), out _));
    }

    [Fact]
    public void TCP_hosts_and_peers_are_extracted()
    {
        Assert.True(Multiaddr.Parse($"/dns4/example.com/tcp/80/p2p/{Peer}").TryGetTcp(out string? host, out int port));
        Assert.Equal("example.com", host);
        Assert.Equal(80, port);
        Assert.False(Multiaddr.Parse("/ip4/1.2.3.4/udp/80").TryGetTcp(out _, out _));
        Assert.False(Multiaddr.Parse("/ip4/1.2.3.4/tcp/80/ws").TryGetTcp(out _, out _));

        Multiaddr plain = Multiaddr.FromEndPoint(new IPEndPoint(IPAddress.Parse("::ffff:10.0.0.1"), 4001));
        Assert.Equal("/ip4/10.0.0.1/tcp/4001", plain.ToString());
        Multiaddr named = plain.WithPeer(PeerId.Parse(Peer));
        Assert.Equal(PeerId.Parse(Peer), named.PeerId);
        Assert.Null(plain.PeerId);
        Assert.Equal(plain, named.WithoutPeer());
        Assert.Null(Multiaddr.Parse($"/p2p/{Peer}").WithoutPeer());
        Assert.Equal("/ip6/fe80::1/tcp/1", Multiaddr.FromEndPoint(new IPEndPoint(IPAddress.Parse("fe80::1%3"), 1)).ToString());
    }

    [Fact]
    public void Digests_are_parsed_and_written()
    {
        const string Empty = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        Assert.Equal(Empty, Digest.Sha256([]).ToString());
        Assert.Equal(Digest.Sha256([]), Digest.Parse(Empty));
        string[] malformed =
        [
            "", "sha256", "sha256:", ":00", "md5:00", Empty.ToUpperInvariant(), Empty[..^1], Empty + "0",
            Empty.Replace("e3", "E3", StringComparison.Ordinal),
        ];
        foreach (string bad in malformed)
        {
            Assert.False(Digest.TryParse(bad, out _), bad);
        }
    }
}
