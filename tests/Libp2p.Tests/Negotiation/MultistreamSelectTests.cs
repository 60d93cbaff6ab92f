using System.Text.Json;
using Ipcs.Libp2p.Negotiation;
using Ipcs.Libp2p.Transport;
using Ipcs.TestKit;

namespace Ipcs.Libp2p.Tests.Negotiation;

/// <summary>multistream-select: js-libp2p's tokens, agreement, disagreement, and malformed input.</summary>
public sealed class MultistreamSelectTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public void Tokens_equal_the_vectors()
    {
        foreach (JsonElement vector in Vectors.Load("frame-vectors.json").GetProperty("multistream").EnumerateArray())
        {
            Assert.Equal(vector.Hex("hex"), MultistreamSelect.Encode(vector.Text("text")!));
        }
    }

    [Theory]
    [InlineData("/a", "/a")]
    [InlineData("/x,/b", "/b")]
    [InlineData("/x,/y,/a", "/a")]
    public async Task The_first_common_protocol_is_selected(string proposed, string agreed)
    {
        (SocketChannel a, SocketChannel b) = await Wire.ConnectAsync(Cancel);
        using (a)
        using (b)
        {
            Task<string> answering = MultistreamSelect.AnswerAsync(b, p => p is "/a" or "/b", Cancel).AsTask();
            Assert.Equal(agreed, await MultistreamSelect.SelectAsync(a, proposed.Split(','), Cancel));
            Assert.Equal(agreed, await answering);
        }
    }

    [Fact]
    public async Task No_common_protocol_is_an_error()
    {
        (SocketChannel a, SocketChannel b) = await Wire.ConnectAsync(Cancel);
        using (a)
        {
            Task<string> answering = MultistreamSelect.AnswerAsync(b, _ => false, Cancel).AsTask();
            await Assert.ThrowsAsync<NegotiationException>(async () => await MultistreamSelect.SelectAsync(a, ["/x", "/y"], Cancel));
            a.Dispose();
            await Assert.ThrowsAnyAsync<IOException>(() => answering);
            b.Dispose();
        }
    }

    [Fact]
    public async Task A_proposal_may_be_followed_by_data_at_once()
    {
        (SocketChannel a, SocketChannel b) = await Wire.ConnectAsync(Cancel);
        using (a)
        using (b)
        {
            await a.WriteAsync(MultistreamSelect.Propose("/a"), Cancel);
            await a.WriteAsync("data"u8.ToArray(), Cancel);
            Assert.Equal("/a", await MultistreamSelect.AnswerAsync(b, p => p == "/a", Cancel));
            byte[] got = new byte[4];
            await b.ReadExactlyAsync(got, Cancel);
            Assert.Equal("data"u8.ToArray(), got);
            await b.WriteAsync("back"u8.ToArray(), Cancel);
            await MultistreamSelect.ReadAnswerAsync(a, "/a", Cancel);
            await a.ReadExactlyAsync(got, Cancel);
            Assert.Equal("back"u8.ToArray(), got);
        }
    }

    [Fact]
    public async Task The_answerer_sends_its_header_to_a_peer_that_waits_for_it()
    {
        (SocketChannel a, SocketChannel b) = await Wire.ConnectAsync(Cancel);
        using (a)
        using (b)
        {
            Task<string> answering = MultistreamSelect.AnswerAsync(b, p => p == "/a", Cancel).AsTask();
            byte[] header = MultistreamSelect.Encode("/multistream/1.0.0");
            await a.WriteAsync(header, Cancel);
            byte[] got = new byte[header.Length];
            await a.ReadExactlyAsync(got, Cancel);
            Assert.Equal(header, got);
            await a.WriteAsync(MultistreamSelect.Encode("/a"), Cancel);
            Assert.Equal("/a", await answering);
        }
    }

    [Theory]
    [InlineData("00")]
    [InlineData("ffffff7f")]
    [InlineData("8110")]
    [InlineData("808000")]
    [InlineData("0261620a")]
    [InlineData("132f6d756c746973747265616d2f322e302e300a")]
    public async Task Malformed_tokens_are_refused(string hex)
    {
        (SocketChannel a, SocketChannel b) = await Wire.ConnectAsync(Cancel);
        using (a)
        using (b)
        {
            await a.WriteAsync(Convert.FromHexString(hex), Cancel);
            await Assert.ThrowsAsync<NegotiationException>(async () => await MultistreamSelect.AnswerAsync(b, _ => true, Cancel));
        }
    }

    [Fact]
    public async Task Endless_proposals_are_refused()
    {
        (SocketChannel a, SocketChannel b) = await Wire.ConnectAsync(Cancel);
        using (a)
        using (b)
        {
            await a.WriteAsync(MultistreamSelect.Encode("/multistream/1.0.0"), Cancel);
            for (int i = 0; i < 100; i++)
            {
                await a.WriteAsync(MultistreamSelect.Encode($"/p/{i}"), Cancel);
            }

            await Assert.ThrowsAsync<NegotiationException>(async () => await MultistreamSelect.AnswerAsync(b, _ => false, Cancel));
        }
    }
}
