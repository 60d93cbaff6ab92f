using Google.Protobuf;
using Ipcs.Libp2p.Identify.Proto;
using Ipcs.Libp2p.Identity.Proto;

namespace Ipcs.Libp2p.Tests;

/// <summary>What every generated message of another peer goes through.</summary>
public sealed class MessageParsingTests
{
    [Theory]
    [InlineData("0801", 1)]
    [InlineData("08000801", 1)]
    [InlineData("800602080112000801", 1)]
    [InlineData("12000801a90601020304050607089a0601ffbd0601020304", 1)]
    [InlineData("0a01020802", 2)]
    [InlineData("08818080808000", 1)]
    public void Unknown_fields_are_skipped_and_the_last_of_a_field_counts(string hex, int type)
    {
        Assert.True(PublicKey.Parser.TryParse(Convert.FromHexString(hex), maxFields: 5, [], out PublicKey? key));
        Assert.Equal(type, (int)key.Type);
    }

    [Theory]
    [InlineData("00")]
    [InlineData("08")]
    [InlineData("0880")]
    [InlineData("08ffffffffffffffffffff01")]
    [InlineData("1202aa")]
    [InlineData("12ffffffffffffffffff01aa")]
    [InlineData("0801ff")]
    [InlineData("0801e306e406")]
    [InlineData("08010c")]
    [InlineData("0e00")]
    [InlineData("0f00")]
    [InlineData("0801bd06010203")]
    public void Malformed_messages_and_groups_are_refused(string hex)
    {
        Assert.False(PublicKey.Parser.TryParse(Convert.FromHexString(hex), maxFields: 5, [], out PublicKey? key));
        Assert.Null(key);
    }

    [Fact]
    public void Fields_over_the_bound_are_refused_before_they_take_memory()
    {
        byte[] many = [.. Enumerable.Repeat((byte[])[0x12, 0x00], 100_000).SelectMany(field => field)];
        Assert.True(PublicKey.Parser.TryParse(many, maxFields: 100_000, [], out _));
        long before = GC.GetAllocatedBytesForCurrentThread();
        Assert.False(PublicKey.Parser.TryParse(many, maxFields: 99_999, [], out _));
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 1000);
    }

    [Fact]
    public void Fields_of_nested_messages_count()
    {
        var info = new PeerRecord.Types.AddressInfo { Multiaddr = ByteString.CopyFrom(1) };
        byte[] record = new PeerRecord { Addresses = { info } }.ToByteArray();
        Assert.True(PeerRecord.Parser.TryParse(record, maxFields: 2, [3], out PeerRecord? read));
        Assert.Single(read.Addresses);
        Assert.False(PeerRecord.Parser.TryParse(record, maxFields: 1, [3], out _));
    }
}
