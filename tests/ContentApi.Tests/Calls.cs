using System.Security.Cryptography;
using Google.Protobuf;
using Grpc.Core;
using Ipcs.ContentApi.V1;

namespace Ipcs.ContentApi.Tests;

/// <summary>A client's operations, each in one call.</summary>
internal static class Calls
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    /// <summary>The sha256 digest of the bytes.</summary>
    public static string DigestOf(ReadOnlySpan<byte> data) => "sha256:" + Convert.ToHexStringLower(SHA256.HashData(data));

    /// <summary>Pseudo-random bytes, different for each seed.</summary>
    public static byte[] Bytes(int length, int seed)
    {
        byte[] data = new byte[length];
        new Random(seed).NextBytes(data);
        return data;
    }

    /// <summary>Opens a Write.</summary>
    public static Session Open(this Content.ContentClient client) => new(client.Write(cancellationToken: Token));

    /// <summary>Writes and commits a content; returns its digest.</summary>
    public static async Task<string> CommitAsync(
        this Content.ContentClient client, string reference, byte[] data, Action<WriteContentRequest>? change = null)
    {
        using Session session = client.Open();
        await session.SendAsync(new WriteContentRequest { Action = WriteAction.Write, Ref = reference, Data = ByteString.CopyFrom(data) });
        var commit = new WriteContentRequest { Action = WriteAction.Commit, Offset = data.Length };
        change?.Invoke(commit);
        return (await session.SendAsync(commit)).Digest;
    }

    /// <summary>Reads a range.</summary>
    public static async Task<byte[]> ReadAllAsync(this Content.ContentClient client, string digest, long offset = 0, long size = 0)
    {
        using AsyncServerStreamingCall<ReadContentResponse> call =
            client.Read(new ReadContentRequest { Digest = digest, Offset = offset, Size = size }, cancellationToken: Token);
        var bytes = new MemoryStream();
        await foreach (ReadContentResponse reply in call.ResponseStream.ReadAllAsync(Token))
        {
            Assert.Equal(offset + bytes.Length, reply.Offset);
            bytes.Write(reply.Data.Span);
        }

        return bytes.ToArray();
    }

    /// <summary>All contents of a List.</summary>
    public static async Task<List<Info>> ListAllAsync(this Content.ContentClient client, params string[] filters)
    {
        using AsyncServerStreamingCall<ListContentResponse> call = client.List(
            new ListContentRequest { Filters = { filters } }, cancellationToken: Token);
        var all = new List<Info>();
        await foreach (ListContentResponse reply in call.ResponseStream.ReadAllAsync(Token))
        {
            all.AddRange(reply.Info);
        }

        return all;
    }

    /// <summary>The status with which a call fails.</summary>
    public static async Task<Grpc.Core.Status> FailureAsync(Func<Task> call)
    {
        RpcException error = await Assert.ThrowsAsync<RpcException>(call);
        return error.Status;
    }

    /// <summary>One Write stream.</summary>
    internal sealed class Session(AsyncDuplexStreamingCall<WriteContentRequest, WriteContentResponse> call) : IDisposable
    {
        /// <summary>Sends a request and waits for its reply.</summary>
        public async Task<WriteContentResponse> SendAsync(WriteContentRequest request)
        {
            try
            {
                await call.RequestStream.WriteAsync(request, Token);
            }
            catch (RpcException)
            {
                // The stream has ended already: reading the reply throws the reason.
            }

            Assert.True(await call.ResponseStream.MoveNext(Token), "the stream ended without a reply");
            return call.ResponseStream.Current;
        }

        /// <summary>Closes as containerd's client does: a half-close, without waiting.</summary>
        public Task CloseAsync() => call.RequestStream.CompleteAsync();

        /// <summary>Closes, and waits for the end of the call.</summary>
        public async Task EndAsync()
        {
            await CloseAsync();
            Assert.False(await call.ResponseStream.MoveNext(Token), "there was another reply");
        }

        public void Dispose() => call.Dispose();
    }
}
