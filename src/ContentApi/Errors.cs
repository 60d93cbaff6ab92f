using Grpc.Core;
using Ipcs.Blockstore;
using Ipcs.Dag;

namespace Ipcs.ContentApi;

/// <summary>The one place where errors become gRPC's codes, as containerd's errdefs has them.</summary>
internal static class Errors
{
    public static RpcException NotFound(string message) => new(new Status(StatusCode.NotFound, message));

    public static RpcException Invalid(string message) => new(new Status(StatusCode.InvalidArgument, message));

    public static RpcException Exists(string message) => new(new Status(StatusCode.AlreadyExists, message));

    public static RpcException Failed(string message) => new(new Status(StatusCode.FailedPrecondition, message));

    public static RpcException OutOfRange(string message) => new(new Status(StatusCode.OutOfRange, message));

    public static RpcException Unavailable(string message) => new(new Status(StatusCode.Unavailable, message));

    /// <summary>What a client is told of an exception.</summary>
    public static RpcException From(Exception e) => e switch
    {
        RpcException rpc => rpc,
        OperationCanceledException => new RpcException(new Status(StatusCode.Cancelled, "canceled")),
        ContentUnavailableException => Unavailable(e.Message),
        BlockNotFoundException or DagFormatException => new RpcException(new Status(StatusCode.DataLoss, e.Message)),
        StoreException { IsNoSpace: true } => new RpcException(new Status(StatusCode.ResourceExhausted, e.Message)),
        FormatException => Invalid(e.Message),
        ObjectDisposedException => Unavailable("the daemon is stopping"),
        _ => new RpcException(new Status(StatusCode.Internal, e.Message)),
    };
}
