using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using Ipcs.ContentApi.V1;

namespace Ipcs.ContentApi.Wire;

/// <summary>
/// The nine RPCs of <c>containerd.services.content.v1.Content</c>. Written by hand, since generated code would not allow Read and Write
/// their own marshallers. gRPC finds the handlers by name in this class: each must be virtual or abstract.
/// </summary>
[BindServiceMethod(typeof(ContentServiceBase), nameof(BindService))]
internal abstract class ContentServiceBase
{
    private const string ServiceName = "containerd.services.content.v1.Content";

    private static readonly Marshaller<Empty> EmptyMarshaller = Marshallers.Of(Empty.Parser);

    private static readonly Method<InfoRequest, InfoResponse> InfoMethod =
        Of(MethodType.Unary, nameof(Info), InfoRequest.Parser, InfoResponse.Parser);

    private static readonly Method<UpdateRequest, UpdateResponse> UpdateMethod =
        Of(MethodType.Unary, nameof(Update), UpdateRequest.Parser, UpdateResponse.Parser);

    private static readonly Method<ListContentRequest, ListContentResponse> ListMethod =
        Of(MethodType.ServerStreaming, nameof(List), ListContentRequest.Parser, ListContentResponse.Parser);

    private static readonly Method<DeleteContentRequest, Empty> DeleteMethod =
        new(MethodType.Unary, ServiceName, nameof(Delete), Marshallers.Of(DeleteContentRequest.Parser), EmptyMarshaller);

    private static readonly Method<ReadContentRequest, ReadReply> ReadMethod =
        new(MethodType.ServerStreaming, ServiceName, nameof(Read), Marshallers.Of(ReadContentRequest.Parser), Marshallers.ReadReply);

    private static readonly Method<StatusRequest, StatusResponse> StatusMethod =
        Of(MethodType.Unary, nameof(Status), StatusRequest.Parser, StatusResponse.Parser);

    private static readonly Method<ListStatusesRequest, ListStatusesResponse> ListStatusesMethod =
        Of(MethodType.Unary, nameof(ListStatuses), ListStatusesRequest.Parser, ListStatusesResponse.Parser);

    private static readonly Method<WriteRequest, WriteContentResponse> WriteMethod =
        new(MethodType.DuplexStreaming, ServiceName, nameof(Write), Marshallers.WriteRequest, Marshallers.Of(WriteContentResponse.Parser));

    private static readonly Method<AbortRequest, Empty> AbortMethod =
        new(MethodType.Unary, ServiceName, nameof(Abort), Marshallers.Of(AbortRequest.Parser), EmptyMarshaller);

    /// <summary>Returns size, times and labels of a content.</summary>
    public abstract Task<InfoResponse> Info(InfoRequest request, ServerCallContext context);

    /// <summary>Changes the labels of a content.</summary>
    public abstract Task<UpdateResponse> Update(UpdateRequest request, ServerCallContext context);

    /// <summary>Streams the contents that containerd owns.</summary>
    public abstract Task List(
        ListContentRequest request, IServerStreamWriter<ListContentResponse> responseStream, ServerCallContext context);

    /// <summary>Ends containerd's ownership of a content.</summary>
    public abstract Task<Empty> Delete(DeleteContentRequest request, ServerCallContext context);

    /// <summary>Streams a range of a content.</summary>
    public abstract Task Read(ReadContentRequest request, IServerStreamWriter<ReadReply> responseStream, ServerCallContext context);

    /// <summary>Returns the state of an ingest.</summary>
    public abstract Task<StatusResponse> Status(StatusRequest request, ServerCallContext context);

    /// <summary>Returns the states of all ingests.</summary>
    public abstract Task<ListStatusesResponse> ListStatuses(ListStatusesRequest request, ServerCallContext context);

    /// <summary>Writes a content.</summary>
    public abstract Task Write(
        IAsyncStreamReader<WriteRequest> requestStream,
        IServerStreamWriter<WriteContentResponse> responseStream,
        ServerCallContext context);

    /// <summary>Ends the session of an ingest and deletes the ingest.</summary>
    public abstract Task<Empty> Abort(AbortRequest request, ServerCallContext context);

    /// <summary>Called by gRPC; <paramref name="service"/> is null when only the methods are asked for.</summary>
    public static void BindService(ServiceBinderBase binder, ContentServiceBase? service)
    {
        binder.AddMethod(InfoMethod, service is null ? null : new UnaryServerMethod<InfoRequest, InfoResponse>(service.Info));
        binder.AddMethod(UpdateMethod, service is null ? null : new UnaryServerMethod<UpdateRequest, UpdateResponse>(service.Update));
        binder.AddMethod(
            ListMethod, service is null ? null : new ServerStreamingServerMethod<ListContentRequest, ListContentResponse>(service.List));
        binder.AddMethod(DeleteMethod, service is null ? null : new UnaryServerMethod<DeleteContentRequest, Empty>(service.Delete));
        binder.AddMethod(ReadMethod, service is null ? null : new ServerStreamingServerMethod<ReadContentRequest, ReadReply>(service.Read));
        binder.AddMethod(StatusMethod, service is null ? null : new UnaryServerMethod<StatusRequest, StatusResponse>(service.Status));
        binder.AddMethod(
            ListStatusesMethod,
            service is null ? null : new UnaryServerMethod<ListStatusesRequest, ListStatusesResponse>(service.ListStatuses));
        binder.AddMethod(
            WriteMethod, service is null ? null : new DuplexStreamingServerMethod<WriteRequest, WriteContentResponse>(service.Write));
        binder.AddMethod(AbortMethod, service is null ? null : new UnaryServerMethod<AbortRequest, Empty>(service.Abort));
    }

    private static Method<TRequest, TResponse> Of<TRequest, TResponse>(
        MethodType type, string name, MessageParser<TRequest> request, MessageParser<TResponse> response)
        where TRequest : class, IMessage<TRequest>, IBufferMessage
        where TResponse : class, IMessage<TResponse>, IBufferMessage =>
        new(type, ServiceName, name, Marshallers.Of(request), Marshallers.Of(response));
}
