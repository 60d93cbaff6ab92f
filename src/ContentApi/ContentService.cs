using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using Ipcs.Blockstore;
using Ipcs.ContentApi.Filters;
using Ipcs.ContentApi.Hosting;
using Ipcs.ContentApi.Ingests;
using Ipcs.ContentApi.Reading;
using Ipcs.ContentApi.Rpc;
using Ipcs.ContentApi.V1;
using Ipcs.ContentApi.Wire;
using Ipcs.Dag.Import;
using Ipcs.Dag.Read;
using Ipcs.Multiformats;

namespace Ipcs.ContentApi;

/// <summary>
/// containerd's content service over the store and the fleet. Nothing that a peer says becomes a fact that containerd keeps: the fleet's
/// contents come in through Write, once they are verified.
/// </summary>
internal sealed class ContentService(
    IStore store,
    IContentFleet fleet,
    ImportProfile profile,
    ContentApiOptions options,
    ContentCatalog catalog,
    IngestRegistry ingests,
    ReaderCache readers,
    RecentReads recent,
    RpcErrors errors) : ContentServiceBase
{
    /// <summary>The most contents in a List message, as in containerd's own service.</summary>
    private const int MaxBatch = 100;

    /// <summary>A List message is sent when it has so many bytes: labels can be long, and the length of a message is bounded.</summary>
    private const int MaxBatchLength = 1 << 20;

    /// <summary>The most bytes of a ListStatuses reply, which is one message: statuses past this bound are left out.</summary>
    private const int MaxStatusesLength = 15 << 20;

    private readonly ReadHandler _reads = new(store, catalog, fleet, readers, recent);

    public override Task<InfoResponse> Info(InfoRequest request, ServerCallContext context) =>
        errors.Guard(Task.Run(() => Info(request), CancellationToken.None), context);

    public override Task<UpdateResponse> Update(UpdateRequest request, ServerCallContext context) =>
        errors.Guard(Task.Run(() => Update(request), CancellationToken.None), context);

    public override Task List(
        ListContentRequest request, IServerStreamWriter<ListContentResponse> responseStream, ServerCallContext context) =>
        errors.Guard(ListAsync(request, responseStream, context.CancellationToken), context);

    public override Task<Empty> Delete(DeleteContentRequest request, ServerCallContext context) =>
        errors.Guard(DeleteAsync(request), context);

    public override Task Read(ReadContentRequest request, IServerStreamWriter<ReadReply> responseStream, ServerCallContext context) =>
        errors.Guard(_reads.RunAsync(request, responseStream, context.CancellationToken), context);

    public override Task<StatusResponse> Status(StatusRequest request, ServerCallContext context) =>
        errors.Guard(Task.Run(() => Status(request), CancellationToken.None), context);

    public override Task<ListStatusesResponse> ListStatuses(ListStatusesRequest request, ServerCallContext context) =>
        errors.Guard(Task.Run(() => ListStatuses(request), CancellationToken.None), context);

    public override Task Write(
        IAsyncStreamReader<WriteRequest> requestStream,
        IServerStreamWriter<WriteContentResponse> responseStream,
        ServerCallContext context) =>
        errors.Guard(
            new WriteSession(store, fleet, catalog, ingests, profile, options, errors)
                .RunAsync(requestStream, responseStream, context.CancellationToken),
            context);

    public override Task<Empty> Abort(AbortRequest request, ServerCallContext context) =>
        errors.Guard(AbortAsync(request, context.CancellationToken), context);

    /// <summary>
    /// containerd waits for an Info with its metadata locked, and keeps a positive one as a fact: so it is answered from the index alone,
    /// and positively only for a content that is stored completely and verified.
    /// </summary>
    private InfoResponse Info(InfoRequest request)
    {
        Digest digest = RpcErrors.ParseDigest(request.Digest);
        ContentRecord? record = catalog.Get(digest);
        if (record is { Owned: false, Complete: true, Retained: false })
        {
            record = catalog.Claim(digest, options.Time.GetUtcNow());
        }

        if (record is { Owned: true, Complete: false })
        {
            // Its disk has lost a block, or a pull without a registry has promised it.
            fleet.StartFetch(record);
        }

        return record is { Owned: true } && (record.Complete || record.Kind == ContentKind.Dag)
            ? new InfoResponse { Info = ToWire(record) }
            : throw RpcErrors.NotFound($"content {digest} not found");
    }

    private UpdateResponse Update(UpdateRequest request)
    {
        Digest digest = RpcErrors.ParseDigest(request.Info?.Digest ?? "");
        ContentRecord record = catalog.Change(digest, record => record is { Owned: true }
            ? record with
            {
                Labels = Labels.Update(record.Labels, request.Info!.Labels, request.UpdateMask?.Paths ?? []),
                UpdatedAt = options.Time.GetUtcNow(),
            }
            : record) is { Owned: true } updated
            ? updated
            : throw RpcErrors.NotFound($"content {digest} not found");
        return new UpdateResponse { Info = ToWire(record) };
    }

    private async Task ListAsync(
        ListContentRequest request, IServerStreamWriter<ListContentResponse> replies, CancellationToken cancellationToken)
    {
        ContentFilter filter = ParseFilter(request.Filters);
        var batch = new ListContentResponse();
        int length = 0;
        foreach (ContentRecord record in store.Contents.Enumerate())
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (!record.Owned || !filter.Matches(FieldsOf(record)))
            {
                continue;
            }

            Info info = ToWire(record);
            batch.Info.Add(info);
            length += info.CalculateSize();
            if (batch.Info.Count == MaxBatch || length >= MaxBatchLength)
            {
                await replies.WriteAsync(batch, cancellationToken);
                batch = new ListContentResponse();
                length = 0;
            }
        }

        if (batch.Info.Count > 0)
        {
            await replies.WriteAsync(batch, cancellationToken);
        }
    }

    private async Task<Empty> DeleteAsync(DeleteContentRequest request)
    {
        Digest digest = RpcErrors.ParseDigest(request.Digest);
        DateTimeOffset? retainedAt = options.Retains() ? options.Time.GetUtcNow() : null;
        if (!catalog.Release(digest, static _ => true, retainedAt))
        {
            throw RpcErrors.NotFound($"content {digest} not found");
        }

        await readers.RemoveAsync(digest);
        return new Empty();
    }

    private StatusResponse Status(StatusRequest request)
    {
        CheckReference(request.Ref);
        return new StatusResponse
        {
            Status = ToWire(ingests.Get(request.Ref) ?? throw RpcErrors.NotFound($"ref {request.Ref} not found")),
        };
    }

    private ListStatusesResponse ListStatuses(ListStatusesRequest request)
    {
        ContentFilter filter = ParseFilter(request.Filters);
        var response = new ListStatusesResponse();
        int length = 0;
        foreach (IngestStatus status in ingests.List().Where(s => filter.Matches(FieldsOf(s))))
        {
            V1.Status wire = ToWire(status);
            length += wire.CalculateSize() + 8;
            if (length > MaxStatusesLength)
            {
                break;
            }

            response.Statuses.Add(wire);
        }

        return response;
    }

    private async Task<Empty> AbortAsync(AbortRequest request, CancellationToken cancellationToken)
    {
        CheckReference(request.Ref);
        return await ingests.AbortAsync(request.Ref, cancellationToken)
            ? new Empty()
            : throw RpcErrors.NotFound($"ref {request.Ref} not found");
    }

    private static void CheckReference(string reference)
    {
        if (reference.Length == 0)
        {
            throw RpcErrors.InvalidArgument("the reference is empty");
        }
    }

    private static ContentFilter ParseFilter(IReadOnlyCollection<string> filters)
    {
        try
        {
            return ContentFilter.Parse(filters);
        }
        catch (FormatException e)
        {
            throw RpcErrors.InvalidArgument(e.Message);
        }
    }

    private static ContentFilter.FieldLookup FieldsOf(ContentRecord record) => path => path switch
    {
        ["digest"] => record.Digest.ToString(),
        ["labels", ..] => record.Labels.GetValueOrDefault(string.Join('.', path.Skip(1))),
        _ => null,
    };

    private static ContentFilter.FieldLookup FieldsOf(IngestStatus status) => path => path is ["ref"] ? status.Ref : null;

    private static Info ToWire(ContentRecord record) => new()
    {
        Digest = record.Digest.ToString(),
        Size = record.Size,
        CreatedAt = Timestamp.FromDateTimeOffset(record.CreatedAt),
        UpdatedAt = Timestamp.FromDateTimeOffset(record.UpdatedAt),
        Labels = { record.Labels.ToDictionary() },
    };

    private static V1.Status ToWire(IngestStatus status) => new()
    {
        Ref = status.Ref,
        Offset = status.Offset,
        Total = status.Total,
        Expected = status.Expected,
        StartedAt = Timestamp.FromDateTimeOffset(status.StartedAt),
        UpdatedAt = Timestamp.FromDateTimeOffset(status.UpdatedAt),
    };
}
