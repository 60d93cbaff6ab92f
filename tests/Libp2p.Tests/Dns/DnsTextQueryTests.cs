using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Ipcs.Libp2p.Dns;
using Ipcs.Libp2p.Transport;

namespace Ipcs.Libp2p.Tests.Dns;

/// <summary>TXT queries to a server of the test.</summary>
public sealed class DnsTextQueryTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task TXT_records_are_queried_over_UDP_and_long_answers_over_TCP(bool truncated)
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
    public void Malformed_answers_are_refused()
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

    /// <summary>Sockets for UDP and TCP on the same port.</summary>
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
}
