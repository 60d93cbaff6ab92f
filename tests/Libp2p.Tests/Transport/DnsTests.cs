using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Ipcs.Libp2p.Dns;
using Ipcs.Libp2p.Identity;
using Ipcs.Libp2p.Transport;
using Ipcs.Multiformats;

namespace Ipcs.Libp2p.Tests.Transport;

/// <summary>What names stand for: addresses through addresses, and the TXT query against a server of the test's own.</summary>
public sealed class DnsTests
{
    private static readonly string One = KeyPair.FromSeed(new byte[32]).PeerId.ToString();
    private static readonly string Two = KeyPair.Generate().PeerId.ToString();

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("/ip4/1.2.3.4/tcp/1", true)]
    [InlineData("/dns/a.example/tcp/1", true)]
    [InlineData("/dnsaddr/a.example", true)]
    [InlineData("/ip4/1.2.3.4/tcp/0", false)]
    [InlineData("/ip4/1.2.3.4/udp/1", false)]
    [InlineData("/dnsaddr/a.example/tcp/1", false)]
    public void WhatCanBeDialled(string address, bool can) => Assert.Equal(can, AddressResolver.CanDial(Multiaddr.Parse(address)));

    [Fact]
    public async Task RecordsAreFollowedAndOtherPeersLeftOut()
    {
        var dns = new FakeDns
        {
            ["_dnsaddr.fleet.example"] = [$"dnsaddr=/ip4/10.0.0.1/tcp/4001/p2p/{One}", $"dnsaddr=/dns4/host/tcp/4002/p2p/{Two}", "v=spf1", "dnsaddr=nonsense", "dnsaddr=/dnsaddr/more.example"],
            ["_dnsaddr.more.example"] = [$"dnsaddr=/ip6/fd00::1/tcp/4003/p2p/{One}"],
        };
        var resolver = new AddressResolver(dns);
        IReadOnlyList<DialTarget> all = await resolver.ResolveAsync(Multiaddr.Parse("/dnsaddr/fleet.example"), Cancel);
        Assert.Equal(["10.0.0.1:4001", "192.0.2.1:4002", "[fd00::1]:4003"], all.Select(t => t.EndPoint.ToString()));
        IReadOnlyList<DialTarget> one = await resolver.ResolveAsync(Multiaddr.Parse($"/dnsaddr/fleet.example/p2p/{One}"), Cancel);
        Assert.Equal(["10.0.0.1:4001", "[fd00::1]:4003"], one.Select(t => t.EndPoint.ToString()));
        Assert.All(one, t => Assert.Equal(One, t.Peer.ToString()));
        await Assert.ThrowsAsync<IOException>(() => resolver.ResolveAsync(Multiaddr.Parse("/dnsaddr/nobody.example"), Cancel));
    }

    [Fact]
    public async Task RecordsThatPointAtThemselvesEnd()
    {
        var dns = new FakeDns { ["_dnsaddr.loop.example"] = [.. Enumerable.Repeat("dnsaddr=/dnsaddr/loop.example", 40)] };
        await Assert.ThrowsAsync<IOException>(() => new AddressResolver(dns).ResolveAsync(Multiaddr.Parse("/dnsaddr/loop.example"), Cancel));
        Assert.InRange(dns.Lookups, 1, 16);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task TextIsAskedForByDatagramAndLongTextByStream(bool truncated)
    {
        (Socket udp, Socket tcp) = Server();
        using Socket udpServer = udp, tcpServer = tcp;
        var server = (IPEndPoint)udp.LocalEndPoint!;
        Task<IReadOnlyList<string>> asking = DnsTextQuery.AskAsync(server, "_dnsaddr.a.example", Cancel);
        byte[] question = new byte[512];
        SocketReceiveFromResult got = await udp.ReceiveFromAsync(question, new IPEndPoint(IPAddress.Any, 0), Cancel);
        question = question[..got.ReceivedBytes];
        byte[] answer = Answer(question, new string('x', 200), "dnsaddr=/ip4/1.2.3.4/tcp/1");
        if (truncated)
        {
            byte[] cut = [.. question];
            cut[2] = 0x82;
            await udp.SendToAsync(cut, got.RemoteEndPoint, Cancel);
            using Socket accepted = await tcp.AcceptAsync(Cancel);
            var channel = new SocketChannel(accepted);
            await channel.ReadExactlyAsync(new byte[question.Length + 2], Cancel);
            await channel.WriteAsync(new[] { (byte)(answer.Length >> 8), (byte)answer.Length }, Cancel);
            await channel.WriteAsync(answer, Cancel);
            Assert.Equal([new string('x', 200), "dnsaddr=/ip4/1.2.3.4/tcp/1"], await asking);
        }
        else
        {
            await udp.SendToAsync(answer, got.RemoteEndPoint, Cancel);
            Assert.Equal([new string('x', 200), "dnsaddr=/ip4/1.2.3.4/tcp/1"], await asking);
        }
    }

    [Fact]
    public void AnswersThatAreNoneAreRefused()
    {
        byte[] question = DnsTextQuery.Encode(7, "a.example")!;
        byte[] answer = Answer(question, "text");
        Assert.True(DnsTextQuery.TryDecode(answer, question, out IReadOnlyList<string> texts));
        Assert.Equal(["text"], texts);
        for (int i = 0; i < answer.Length; i++)
        {
            DnsTextQuery.TryDecode(answer.AsSpan(0, i), question, out _);
            byte[] changed = [.. answer];
            changed[i] ^= 0xff;
            DnsTextQuery.TryDecode(changed, question, out _);
        }

        Assert.False(DnsTextQuery.TryDecode(answer.AsSpan(0, answer.Length - 1), question, out _));
        answer[0] ^= 1;
        Assert.False(DnsTextQuery.TryDecode(answer, question, out _));
        Assert.Null(DnsTextQuery.Encode(1, ""));
        Assert.Null(DnsTextQuery.Encode(1, new string('a', 64)));
        Assert.Null(DnsTextQuery.Encode(1, string.Join('.', Enumerable.Repeat("abcdefgh", 40))));
    }

    /// <summary>One port for both: whichever is free for both.</summary>
    private static (Socket Udp, Socket Tcp) Server()
    {
        for (int i = 0; ; i++)
        {
            var udp = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
            var tcp = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            try
            {
                udp.Bind(new IPEndPoint(IPAddress.Loopback, 0));
                tcp.Bind(udp.LocalEndPoint!);
                tcp.Listen(1);
                return (udp, tcp);
            }
            catch (SocketException) when (i < 50)
            {
                udp.Dispose();
                tcp.Dispose();
            }
        }
    }

    private static byte[] Answer(byte[] question, params string[] texts)
    {
        var message = new List<byte>(question);
        message[2] = 0x81;
        message[3] = 0x80;
        message[7] = (byte)texts.Length;
        foreach (string text in texts)
        {
            byte[] bytes = Encoding.ASCII.GetBytes(text);
            byte[] record = new byte[13 + bytes.Length];
            record[0] = 0xc0;
            record[1] = 12;
            record[3] = 16;
            record[5] = 1;
            BinaryPrimitives.WriteUInt16BigEndian(record.AsSpan(10), (ushort)(bytes.Length + 1));
            record[12] = (byte)bytes.Length;
            bytes.CopyTo(record, 13);
            message.AddRange(record);
        }

        return [.. message];
    }

    private sealed class FakeDns : Dictionary<string, string[]>, IDnsResolver
    {
        public int Lookups { get; private set; }

        public Task<IReadOnlyList<IPAddress>> ResolveAsync(string host, AddressFamily family, CancellationToken cancellationToken) =>
            Task.FromResult<IReadOnlyList<IPAddress>>([IPAddress.Parse("192.0.2.1")]);

        public Task<IReadOnlyList<string>> TextAsync(string name, CancellationToken cancellationToken)
        {
            Lookups++;
            return Task.FromResult<IReadOnlyList<string>>(TryGetValue(name, out string[]? texts) ? texts : []);
        }
    }
}
