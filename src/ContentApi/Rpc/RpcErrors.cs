using Google.Protobuf;
using Grpc.Core;
using Ipcs.Blockstore;
using Ipcs.Dag;
using Ipcs.Multiformats;
using Microsoft.Extensions.Logging;

namespace Ipcs.ContentApi.Rpc;

/// <summary>Maps exceptions to gRPC status codes: https://grpc.io/docs/guides/status-codes/.</summary>
internal sealed partial class RpcErrors(ILogger logger)
{
    public static RpcException InvalidArgument(string message) => Error(StatusCode.InvalidArgument, message);

    public static RpcException NotFound(string message) => Error(StatusCode.NotFound, message);

    public static RpcException AlreadyExists(Digest digest) => Error(StatusCode.AlreadyExists, $"content {digest} exists");

    public static RpcException FailedPrecondition(string message) => Error(StatusCode.FailedPrecondition, message);

    public static RpcException OutOfRange(string message) => Error(StatusCode.OutOfRange, message);

    public static RpcException Unavailable(string message) => Error(StatusCode.Unavailable, message);

    public static RpcException ResourceExhausted(string message) => Error(StatusCode.ResourceExhausted, message);

    public static RpcException Aborted(string message) => Error(StatusCode.Aborted, message);

    /// <summary>Parses the digest of a request.</summary>
    /// <exception cref="RpcException">The text is not a digest.</exception>
    public static Digest ParseDigest(string text) => Digest.TryParse(text, out Digest digest)
        ? digest
        : throw InvalidArgument($"\"{(text.Length > 160 ? text[..160] + "..." : text)}\" is not a digest");

    /// <summary>Awaits a handler and maps what it throws to an <see cref="RpcException"/>.</summary>
    public async Task<T> Guard<T>(Task<T> handler, ServerCallContext context)
    {
        try
        {
            return await handler;
        }
        catch (Exception e)
        {
            throw Map(e, context);
        }
    }

    /// <summary>Awaits a streaming handler and maps what it throws to an <see cref="RpcException"/>.</summary>
    public async Task Guard(Task handler, ServerCallContext context)
    {
        try
        {
            await handler;
        }
        catch (Exception e)
        {
            throw Map(e, context);
        }
    }

    private RpcException Map(Exception error, ServerCallContext context)
    {
        RpcException mapped = error switch
        {
            RpcException rpc => rpc,
            _ when context.CancellationToken.IsCancellationRequested => Error(StatusCode.Cancelled, "the call was cancelled"),
            OperationCanceledException => Error(StatusCode.Cancelled, "the call was cancelled"),
            ContentUnavailableException e => Error(StatusCode.Unavailable, e.Message),
            InvalidProtocolBufferException e => Error(StatusCode.InvalidArgument, e.Message),
            StoreException { IsNoSpace: true } e => Error(StatusCode.ResourceExhausted, e.Message),
            StoreException { IsCorruption: true } or DagFormatException or BlockNotFoundException =>
                Error(StatusCode.DataLoss, error.Message),
            StoreException e => Error(StatusCode.Internal, e.Message),
            ObjectDisposedException => Error(StatusCode.Unavailable, "the daemon is stopping"),

            // Errors of the store are StoreExceptions: what remains is a broken connection to the client.
            IOException e => Error(StatusCode.Cancelled, e.Message),
            _ => Error(StatusCode.Internal, $"{error.GetType().Name}: {error.Message}"),
        };
        if (mapped.StatusCode is StatusCode.Internal or StatusCode.DataLoss or StatusCode.ResourceExhausted)
        {
            LogFailed(context.Method, mapped.StatusCode, error);
        }

        return mapped;
    }

    private static RpcException Error(StatusCode code, string message) => new(new Status(code, message));

    /// <summary>Logs that the contents that a manifest names were not looked up ahead.</summary>
    [LoggerMessage(Level = LogLevel.Warning, Message = "Looking up the contents of a manifest ahead failed")]
    public partial void LogNoLookAhead(Exception error);

    [LoggerMessage(Level = LogLevel.Error, Message = "{Method} failed with {Code}")]
    private partial void LogFailed(string method, StatusCode code, Exception error);
}
