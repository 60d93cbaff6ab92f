using CsCheck;
using Ipcs.Libp2p.Dns;

namespace Ipcs.Libp2p.Tests.Dns;

public sealed class DnsMessageTests
{
    [Fact]
    public void An_encoded_message_is_decoded()
    {
        var message = new DnsMessage
        {
            Id = 7,
            Flags = 0x8400,
            Questions = [new DnsQuestion("_p2p._udp.local", DnsType.Ptr)],
            Answers = [DnsRecord.Pointer("_p2p._udp.local", 120, "abc._p2p._udp.local")],
            Additionals = [DnsRecord.Text("abc._p2p._udp.local", 120, ["one", "", "dnsaddr=/ip4/1.2.3.4/tcp/5"])],
        };
        Assert.True(DnsMessage.TryDecode(message.Encode(), out DnsMessage? read));
        Assert.True(read!.IsResponse);
        Assert.Equal(message.Questions, read.Questions);
        Assert.Equal("abc._p2p._udp.local", Assert.Single(read.Answers).Target());
        Assert.Equal(["one", "", "dnsaddr=/ip4/1.2.3.4/tcp/5"], Assert.Single(read.Additionals).Strings());
    }

    [Fact]
    public void Compressed_names_are_read()
    {
        // _p2p._udp.LOCAL PTR x.(pointer to offset 12)
        byte[] message =
        [
            0, 0, 0x84, 0, 0, 0, 0, 1, 0, 0, 0, 0,
            4, .. "_p2p"u8, 4, .. "_udp"u8, 5, .. "LOCAL"u8, 0, 0, 12, 0, 1, 0, 0, 0, 120, 0, 4,
            1, .. "x"u8, 0xc0, 12,
        ];
        Assert.True(DnsMessage.TryDecode(message, out DnsMessage? read));
        DnsRecord record = Assert.Single(read!.Answers);
        Assert.Equal(("_p2p._udp.local", "x._p2p._udp.local"), (record.Name, record.Target()));
    }

    [Theory]
    [InlineData(0xc0, 12)] // to itself
    [InlineData(0xc0, 14)] // forward
    [InlineData(0xff, 0xff)] // out of the message
    [InlineData(0x40, 0)] // a reserved kind of label
    public void Pointers_that_loop_or_point_outside_are_refused(byte first, byte second)
    {
        byte[] message = [0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, first, second, 0, 12, 0, 1];
        Assert.False(DnsMessage.TryDecode(message, out _));
    }

    [Fact]
    public void Two_pointers_that_point_at_each_other_are_refused()
    {
        byte[] message = [0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0xc0, 18, 0, 12, 0, 1, 0xc0, 12, 0, 12, 0, 1];
        Assert.False(DnsMessage.TryDecode(message, out _));
    }

    [Fact]
    public void Wrong_and_excessive_counts_are_refused()
    {
        byte[] head = [0, 0, 0, 0, 0xff, 0xff, 0, 0, 0, 0, 0, 0];
        Assert.False(DnsMessage.TryDecode(head, out _));
        Assert.False(DnsMessage.TryDecode([0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0], out _));
        Assert.False(DnsMessage.TryDecode(new byte[DnsMessage.MaxLength + 1], out _));
        Assert.False(DnsMessage.TryDecode([], out _));
    }

    [Fact]
    public void Arbitrary_bytes_never_throw()
    {
        byte[] good = new DnsMessage
        {
            Flags = 0x8400,
            Questions = [new DnsQuestion("_p2p._udp.local", DnsType.Ptr)],
            Answers = [DnsRecord.Pointer("_p2p._udp.local", 120, "abc._p2p._udp.local")],
            Additionals = [DnsRecord.Text("abc._p2p._udp.local", 120, ["dnsaddr=/ip4/1.2.3.4/tcp/5"])],
        }.Encode();
        Gen.Select(Gen.Select(Gen.Int[0, good.Length - 1], Gen.Byte).Array[0, 10], Gen.Int[0, good.Length]).Sample(
            (changes, length) =>
            {
                byte[] bytes = [.. good];
                foreach ((int at, byte value) in changes)
                {
                    bytes[at] = value;
                }

                if (DnsMessage.TryDecode(bytes.AsSpan(0, length), out DnsMessage? message))
                {
                    foreach (DnsRecord record in message!.Answers.Concat(message.Additionals))
                    {
                        _ = record.Strings();
                        _ = record.Target();
                    }
                }
            },
            iter: 20_000);
    }
}
