using System.Buffers;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using Ipcs.Blockstore;
using Ipcs.ContentApi.Filters;
using Ipcs.ContentApi.Reading;
using Ipcs.ContentApi.V1;
using Ipcs.ContentApi.Writing;
using Ipcs.Dag.Read;
using Ipcs.Multiformats;
using Status = Ipcs.ContentApi.V1.Status;

namespace Ipcs.ContentApi;

/// <summary>
/// containerd's content service, nine RPCs. API: https://github.com/containerd/containerd/blob/main/api/services/content/v1/content.proto.
/// Info, the opening of a Write, COMMIT and Abort run inside containerd's write transaction: none of them waits longer than its budget.
/// </summary>
internal sealed class ContentService(IStore store, IContentFleet fleet, IngestTable ingests, ReaderCache readers, TimeProvider time) : Content.ContentBase
{
    /// <summary>Bytes in one Read answer: the best size for gRPC, and far under the message limit.</summary>
    private const int ReadLength = 1 << 20;

    /// <summary>Contents in one List answer.</summary>
    private const int ListLength = 100;

    /// <summary>containerd's own bound on a label, key and value together, in characters.</summary>
    private const int MaxLabel = 4096;

    /// <summary>The most labels of a content; containerd sets one per child of a manifest.</summary>
    private const int MaxLabels = 1024;

    /// <summary>The longest reference, in characters; containerd's are a digest and a word.</summary>
    private const int MaxRef = 1024;

    public override Task<InfoResponse> Info(InfoRequest request, ServerCallContext context) => Guard(async () =>
    {
        Digest digest = ParseDigest(request.Digest);
        ContentRecord record = await OwnAsync(digest, context.CancellationToken) ?? throw Errors.NotFound($"content {digest}: not found");
        return new InfoResponse { Info = ToInfo(record) };
    });

    public override Task<UpdateResponse> Update(UpdateRequest request, ServerCallContext context) => Guard(() =>
    {
        Info info = request.Info ?? throw Errors.Invalid("info is required");
        Digest digest = ParseDigest(info.Digest);
        CheckLabels(info.Labels);
        ContentRecord record = Owned(digest);
        var labels = new Dictionary<string, string>(record.Labels, StringComparer.Ordinal);
        IEnumerable<string> paths = request.UpdateMask is { Paths.Count: > 0 } mask ? mask.Paths : ["labels"];
        foreach (string path in paths)
        {
            if (path == "labels")
            {
                labels = new Dictionary<string, string>(info.Labels, StringComparer.Ordinal);
            }
            else if (path.StartsWith("labels.", StringComparison.Ordinal))
            {
                string key = path["labels.".Length..];
                if (info.Labels.TryGetValue(key, out string? value) && value.Length > 0)
                {
                    labels[key] = value;
                }
                else
                {
                    labels.Remove(key);
                }
            }
            else
            {
                throw Errors.Invalid($"cannot update {path} of content {digest}");
            }
        }

        if (labels.Count > MaxLabels)
        {
            throw Errors.Invalid($"more than {MaxLabels} labels");
        }

        record = record with { Labels = labels.Where(l => l.Value.Length > 0).ToDictionary(StringComparer.Ordinal), UpdatedAt = time.GetUtcNow() };
        store.Contents.Put(record, sync: true);
        return Task.FromResult(new UpdateResponse { Info = ToInfo(record) });
    });

    public override Task List(ListContentRequest request, IServerStreamWriter<ListContentResponse> responseStream, ServerCallContext context) => Guard(async () =>
    {
        ContentFilter filter = ContentFilter.Parse(request.Filters);
        var answer = new ListContentResponse();
        foreach (ContentRecord record in store.Contents.Enumerate())
        {
            if (!record.Owned || !filter.Matches(path => Field(record, path)))
            {
                continue;
            }

            answer.Info.Add(ToInfo(record));
            if (answer.Info.Count == ListLength)
            {
                await responseStream.WriteAsync(answer, context.CancellationToken);
                answer = new ListContentResponse();
            }
        }

        if (answer.Info.Count > 0)
        {
            await responseStream.WriteAsync(answer, context.CancellationToken);
        }

        return true;
    });

    public override Task<Empty> Delete(DeleteContentRequest request, ServerCallContext context) => Guard(() =>
    {
        Digest digest = ParseDigest(request.Digest);
        Owned(digest);
        store.Contents.Delete(digest);
        return Task.FromResult(new Empty());
    });

    public override Task Read(ReadContentRequest request, IServerStreamWriter<ReadContentResponse> responseStream, ServerCallContext context) => Guard(async () =>
    {
        CancellationToken cancel = context.CancellationToken;
        Digest digest = ParseDigest(request.Digest);
        ContentRecord record = Owned(digest);
        if (request.Offset < 0 || request.Size < 0)
        {
            throw Errors.Invalid($"offset {request.Offset} and size {request.Size} must not be negative");
        }

        if (request.Offset > record.Size)
        {
            throw Errors.OutOfRange($"offset {request.Offset} is past the end of {digest}, {record.Size}");
        }

        // A size is how much to read at the most: a client need not know where the end is.
        long rest = record.Size - request.Offset;
        long size = request.Size == 0 ? rest : Math.Min(request.Size, rest);

        // A blob is served once its whole hash has been checked; a dag's blocks are checked one by one.
        if (record is { Complete: false, Kind: ContentKind.Blob })
        {
            await fleet.WaitAsync(digest, cancel);
            record = Owned(digest);
        }

        DagReader reader = readers.Take(digest) ?? await DagReader.OpenAsync(record.Root, fleet.SourceFor(record), cancel);
        byte[] buffer = ArrayPool<byte>.Shared.Rent((int)Math.Min(ReadLength, Math.Max(size, 1)));
        bool good = false;
        try
        {
            for (long offset = request.Offset, end = offset + size; offset < end;)
            {
                int n = await reader.ReadAsync(offset, buffer.AsMemory(0, (int)Math.Min(buffer.Length, end - offset)), cancel);
                if (n == 0)
                {
                    throw new Dag.DagFormatException($"{digest} ends at {offset}");
                }

                // The message is on the wire's buffers when the write is done, so that the array may be used again.
                await responseStream.WriteAsync(new ReadContentResponse { Offset = offset, Data = UnsafeByteOperations.UnsafeWrap(buffer.AsMemory(0, n)) }, cancel);
                offset += n;
            }

            good = true;
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
            if (good && record.Complete)
            {
                readers.Return(digest, reader);
            }
            else
            {
                await reader.DisposeAsync();
            }
        }

        return true;
    });

    public override Task<StatusResponse> Status(StatusRequest request, ServerCallContext context) => Guard(() =>
    {
        IngestRecord record = ingests.Find(CheckRef(request.Ref)) ?? throw Errors.NotFound($"ingest {request.Ref}: not found");
        return Task.FromResult(new StatusResponse { Status = ToStatus(record) });
    });

    public override Task<ListStatusesResponse> ListStatuses(ListStatusesRequest request, ServerCallContext context) => Guard(() =>
    {
        ContentFilter filter = ContentFilter.Parse(request.Filters);
        var answer = new ListStatusesResponse();
        answer.Statuses.AddRange(ingests.All().Where(r => filter.Matches(path => path is ["ref"] ? r.Ref : null)).Select(ToStatus));
        return Task.FromResult(answer);
    });

    public override Task<Empty> Abort(AbortRequest request, ServerCallContext context) => Guard(async () =>
        await ingests.AbortAsync(CheckRef(request.Ref), context.CancellationToken) ? new Empty() : throw Errors.NotFound($"ingest {request.Ref}: not found"));

    public override Task Write(
        IAsyncStreamReader<WriteContentRequest> requestStream, IServerStreamWriter<WriteContentResponse> responseStream, ServerCallContext context) => Guard(async () =>
    {
        CancellationToken cancel = context.CancellationToken;
        if (!await requestStream.MoveNext(cancel))
        {
            throw Errors.Invalid("a write begins with a request");
        }

        WriteContentRequest first = requestStream.Current;
        string reference = CheckRef(first.Ref);
        if (first.Expected.Length > 0 && store.Contents.Get(ParseDigest(first.Expected)) is { Owned: true } there)
        {
            throw Errors.Exists($"content {there.Digest}: already exists");
        }

        Ingest? ingest = await ingests.OpenAsync(reference, first.Total, first.Expected, cancel);
        try
        {
            do
            {
                WriteContentRequest request = requestStream.Current;
                if (request.Ref.Length > 0 && request.Ref != reference)
                {
                    throw Errors.Invalid($"the stream writes {reference}, not {request.Ref}");
                }

                if (request.Action == WriteAction.Commit)
                {
                    (WriteContentResponse answer, ContentRecord content) = Commit(ingest, request);

                    // The lock is let go before the answer: the client may open the reference again at once.
                    ingests.Close(ingest, save: false);
                    ingest = null;
                    fleet.LookAhead(await LookAhead.DigestsAsync(store, content));
                    await responseStream.WriteAsync(answer, cancel);
                    return true;
                }

                await responseStream.WriteAsync(Step(ingest, request), cancel);
            }
            while (await requestStream.MoveNext(cancel));
        }
        catch (RpcException e) when (e.StatusCode == StatusCode.AlreadyExists && ingest is not null)
        {
            ingests.Close(ingest, save: false);
            ingest = null;
            store.Ingests.Delete(reference);
            throw;
        }
        finally
        {
            if (ingest is not null)
            {
                ingests.Close(ingest, save: true);
            }
        }

        return true;
    });

    private static WriteContentResponse Step(Ingest ingest, WriteContentRequest request)
    {
        ingest.Describe(request.Total, request.Expected);
        if (request.Action == WriteAction.Write)
        {
            Take(ingest, request);
        }
        else if (request.Action != WriteAction.Stat)
        {
            throw Errors.Invalid($"write action {(int)request.Action} is not known");
        }

        return Answer(ingest, request.Action);
    }

    private static void Take(Ingest ingest, WriteContentRequest request)
    {
        if (request.Data.Length == 0)
        {
            return;
        }

        if (request.Offset == 0 && ingest.Offset > 0)
        {
            ingest.Truncate();
        }
        else if (request.Offset != ingest.Offset)
        {
            throw Errors.OutOfRange($"ref {ingest.Record.Ref}: a write at {request.Offset}, and the ingest is at {ingest.Offset}");
        }

        ingest.Append(request.Data.Span);
    }

    private static WriteContentResponse Answer(Ingest ingest, WriteAction action)
    {
        IngestRecord record = ingest.Record;
        return new WriteContentResponse
        {
            Action = action,
            StartedAt = Timestamp.FromDateTimeOffset(record.StartedAt),
            UpdatedAt = Timestamp.FromDateTimeOffset(record.UpdatedAt),
            Offset = ingest.Offset,
            Total = record.Total,
            Digest = ingest.Current.ToString(),
        };
    }

    private (WriteContentResponse Answer, ContentRecord Content) Commit(Ingest ingest, WriteContentRequest request)
    {
        CheckLabels(request.Labels);
        if (request.Data.Length > 0 || (request.Offset > 0 && request.Offset != ingest.Offset))
        {
            Take(ingest, request);
            if (request.Data.Length == 0)
            {
                throw Errors.OutOfRange($"ref {ingest.Record.Ref}: a commit at {request.Offset}, and the ingest is at {ingest.Offset}");
            }
        }

        if (request.Total > 0 && request.Total != ingest.Offset)
        {
            throw Errors.Failed($"ref {ingest.Record.Ref}: unexpected commit size {ingest.Offset}, expected {request.Total}");
        }

        Digest actual = ingest.Current;
        if (request.Expected.Length > 0)
        {
            Digest expected = ParseDigest(request.Expected);
            actual = ingest.DigestLike(expected);
            if (actual != expected)
            {
                throw Errors.Failed($"ref {ingest.Record.Ref}: unexpected commit digest {actual}, expected {expected}");
            }
        }

        if (store.Contents.Get(actual) is { Owned: true })
        {
            throw Errors.Exists($"content {actual}: already exists");
        }

        WriteContentResponse answer = Answer(ingest, WriteAction.Commit);
        answer.Digest = actual.ToString();
        return (answer, ingest.Commit(actual, request.Labels.Where(l => l.Value.Length > 0).ToDictionary(StringComparer.Ordinal)));
    }

    /// <summary>
    /// The content as containerd's: from the index, or found in the fleet within its budget. A positive answer is a promise, so it is durable
    /// before it is given.
    /// </summary>
    private async ValueTask<ContentRecord?> OwnAsync(Digest digest, CancellationToken cancellationToken)
    {
        ContentRecord? record = store.Contents.Get(digest);
        if (record is { Owned: true })
        {
            return record;
        }

        if (record is not { Complete: true })
        {
            record = await fleet.FindAsync(digest, cancellationToken);
            if (record is null)
            {
                return null;
            }
        }

        DateTimeOffset now = time.GetUtcNow();
        record = record with { Owned = true, CreatedAt = record.CreatedAt == default ? now : record.CreatedAt, UpdatedAt = now };
        store.Contents.Put(record, sync: true);
        if (!record.Complete)
        {
            fleet.StartFetch(record);
        }

        return record;
    }

    private ContentRecord Owned(Digest digest) =>
        store.Contents.Get(digest) is { Owned: true } record ? record : throw Errors.NotFound($"content {digest}: not found");

    private static string? Field(ContentRecord record, IReadOnlyList<string> path) => path switch
    {
        ["digest"] => record.Digest.ToString(),
        ["labels", _, ..] => record.Labels.GetValueOrDefault(string.Join('.', path.Skip(1))),
        _ => null,
    };

    private static Digest ParseDigest(string text) => Digest.TryParse(text, out Digest digest) ? digest : throw Errors.Invalid($"'{text}' is not a digest");

    private static string CheckRef(string reference) => reference.Length switch
    {
        0 => throw Errors.Invalid("a reference is required"),
        > MaxRef => throw Errors.Invalid($"the reference is longer than {MaxRef} characters"),
        _ => reference,
    };

    private static void CheckLabels(IDictionary<string, string> labels)
    {
        if (labels.Count > MaxLabels)
        {
            throw Errors.Invalid($"more than {MaxLabels} labels");
        }

        foreach ((string key, string value) in labels)
        {
            if (key.Length + value.Length > MaxLabel)
            {
                throw Errors.Invalid($"label {key[..Math.Min(key.Length, 64)]} is longer than {MaxLabel} characters with its value");
            }
        }
    }

    private static Info ToInfo(ContentRecord record)
    {
        var info = new Info
        {
            Digest = record.Digest.ToString(),
            Size = record.Size,
            CreatedAt = Timestamp.FromDateTimeOffset(record.CreatedAt),
            UpdatedAt = Timestamp.FromDateTimeOffset(record.UpdatedAt),
        };
        foreach ((string key, string value) in record.Labels)
        {
            info.Labels[key] = value;
        }

        return info;
    }

    private static Status ToStatus(IngestRecord record) => new()
    {
        StartedAt = Timestamp.FromDateTimeOffset(record.StartedAt),
        UpdatedAt = Timestamp.FromDateTimeOffset(record.UpdatedAt),
        Ref = record.Ref,
        Offset = record.Offset,
        Total = record.Total,
        Expected = record.Expected,
    };

    private static async Task<T> Guard<T>(Func<Task<T>> handler)
    {
        try
        {
            return await handler();
        }
        catch (Exception e)
        {
            throw Errors.From(e);
        }
    }
}
