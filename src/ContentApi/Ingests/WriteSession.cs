using System.Text;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using Ipcs.Blockstore;
using Ipcs.ContentApi.Hosting;
using Ipcs.ContentApi.Rpc;
using Ipcs.ContentApi.V1;
using Ipcs.ContentApi.Wire;
using Ipcs.Dag;
using Ipcs.Dag.Import;
using Ipcs.Dag.Read;
using Ipcs.Multiformats;

namespace Ipcs.ContentApi.Ingests;

/// <summary>
/// One Write stream: STAT, WRITE and COMMIT on one reference, each answered before the next is read.
/// Semantics: https://github.com/containerd/containerd/blob/main/api/services/content/v1/content.proto, rpc Write.
/// </summary>
internal sealed class WriteSession(
    IStore store, IContentFleet fleet, ContentCatalog updates, IngestRegistry table, ImportProfile profile, ContentApiOptions options, RpcErrors errors)
{
    private long _total;
    private Digest _expected;
    private byte[] _text = [];
    private DagRoot? _longText;

    /// <summary>Runs the session until the client ends it, a commit, or an error.</summary>
    public async Task RunAsync(
        IAsyncStreamReader<WriteRequest> requests, IServerStreamWriter<WriteContentResponse> replies, CancellationToken cancellationToken)
    {
        if (!await requests.MoveNext(cancellationToken))
        {
            throw RpcErrors.InvalidArgument("the first message of a Write must have a reference");
        }

        WriteRequest request = requests.Current;
        CheckFirst(request);

        // Blocks stored from here on stay until the ingest is kept by the table or the content by the index.
        using GcLease hold = store.LeaseTouched();
        await using LockedIngest lease = await table.AcquireAsync(request.Ref, cancellationToken)
            ?? throw RpcErrors.Unavailable($"ref {request.Ref} is locked");
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, lease.Aborted);
        try
        {
            if (!_expected.IsDefault && ClaimExisting(_expected))
            {
                lease.Discard();
                throw RpcErrors.AlreadyExists(_expected);
            }

            lease.Open(request.Total, request.Expected);
            while (true)
            {
                bool commits = request.Action == WriteAction.Commit;
                WriteContentResponse reply = await HandleAsync(lease, request);

                // A commit has given the lock back: the client may open the reference again as soon as it has the reply.
                await replies.WriteAsync(reply, commits ? cancellationToken : either.Token);
                if (commits)
                {
                    // Only now: containerd waits for the reply with all its metadata locked.
                    await LookAheadAsync();
                    return;
                }

                if (!await requests.MoveNext(either.Token))
                {
                    return;
                }

                request = requests.Current;
            }
        }
        catch (Exception) when (lease.Aborted.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            throw RpcErrors.Aborted($"ref {lease.Ref} was aborted");
        }
    }

    private void CheckFirst(WriteRequest request)
    {
        if (request.Ref.Length == 0)
        {
            throw RpcErrors.InvalidArgument("the first message of a Write must have a reference");
        }

        if (Encoding.UTF8.GetByteCount(request.Ref) > options.MaxReferenceLength)
        {
            throw RpcErrors.InvalidArgument($"the reference is longer than {options.MaxReferenceLength} bytes");
        }

        CheckNumbers(request);
        if (request.Expected.Length > 0)
        {
            _expected = RpcErrors.ParseDigest(request.Expected);
        }
    }

    private static void CheckNumbers(WriteRequest request)
    {
        if (request.Total < 0)
        {
            throw RpcErrors.InvalidArgument($"the total is {request.Total}");
        }

        if (request.Action is < WriteAction.Stat or > WriteAction.Commit)
        {
            throw RpcErrors.InvalidArgument($"there is no action {(int)request.Action}");
        }
    }

    private async ValueTask<WriteContentResponse> HandleAsync(LockedIngest lease, WriteRequest request)
    {
        CheckNumbers(request);
        if (request.Ref.Length > 0 && request.Ref != lease.Ref)
        {
            throw RpcErrors.InvalidArgument($"the session is of ref {lease.Ref}; another needs a stream of its own");
        }

        if (request.Expected.Length > 0)
        {
            _expected = RpcErrors.ParseDigest(request.Expected);
            if (store.Contents.Get(_expected) is { Owned: true } existing && Stands(existing))
            {
                lease.Discard();
                throw RpcErrors.AlreadyExists(_expected);
            }
        }

        if (request.Total > 0)
        {
            _total = request.Total;
        }

        Ingest ingest = lease.Ingest;
        if (request.Action == WriteAction.Stat)
        {
            return Reply(request.Action, ingest.Status, ingest.DigestSoFar);
        }

        if (request.Action == WriteAction.Commit)
        {
            Labels.Check(request.Labels);
        }

        await WriteAsync(ingest, request);
        lease.Publish();
        return request.Action == WriteAction.Commit
            ? await CommitAsync(lease, request)
            : Reply(request.Action, ingest.Status, ingest.DigestSoFar);
    }

    private async ValueTask WriteAsync(Ingest ingest, WriteRequest request)
    {
        if (request.Offset != 0 && request.Offset != ingest.Offset)
        {
            throw RpcErrors.OutOfRange($"a write at {request.Offset} must be at the current offset {ingest.Offset}");
        }

        if (request.Offset == 0 && ingest.Offset > 0)
        {
            await ingest.SettleAsync();
            ingest.Truncate();
        }

        if (!request.Data.IsEmpty)
        {
            await ingest.WriteAsync(request, options.SaveEvery);
        }
    }

    private async ValueTask<WriteContentResponse> CommitAsync(LockedIngest lease, WriteRequest request)
    {
        Ingest ingest = lease.Ingest;
        await ingest.SettleAsync();
        IngestStatus status = ingest.Status;
        if (_total > 0 && _total != status.Offset)
        {
            throw RpcErrors.FailedPrecondition($"unexpected commit size {status.Offset}, expected {_total}");
        }

        Digest digest = ingest.ComputeDigest(_expected.IsDefault ? Multihash.Sha2_256 : _expected.Hash.Code);
        if (!_expected.IsDefault && digest != _expected)
        {
            throw RpcErrors.FailedPrecondition($"unexpected commit digest {digest}, expected {_expected}");
        }

        if (store.Contents.Get(digest) is { Owned: true } there && Stands(there))
        {
            lease.Discard();
            throw RpcErrors.AlreadyExists(digest);
        }

        _text = ingest.Small is [(byte)'{', ..] ? ingest.Small.ToArray() : [];
        bool isLong = ingest.Small.IsEmpty;
        DagRoot root = ingest.Finish();
        DateTimeOffset now = options.Time.GetUtcNow();
        bool lost = false;
        lease.Commit(updates, digest, existing =>
        {
            if (existing is { Owned: true })
            {
                // Another session was first, or the fleet owed us this content: now it is whole.
                lost = true;
                return Stands(existing)
                    ? existing
                    : existing with { Root = root.Root, Profile = profile.Name, Complete = true, UpdatedAt = now };
            }

            return new ContentRecord
            {
                Digest = digest,
                Kind = ContentKind.Blob,
                Root = root.Root,
                Size = root.Size,
                Profile = profile.Name,
                Owned = true,
                Complete = true,
                CreatedAt = now,
                UpdatedAt = now,
                Labels = Labels.WithoutEmpty(request.Labels),
            };
        });
        _longText = isLong ? root : null;
        return lost
            ? throw RpcErrors.AlreadyExists(digest)
            : Reply(request.Action, status with { UpdatedAt = now }, digest);
    }

    /// <summary>True when the content is there to be read, or at least is no blob that the bytes of a session could make whole.</summary>
    private static bool Stands(ContentRecord record) => record.Complete || record.Kind != ContentKind.Blob;

    /// <summary>True when a content is here already; it is containerd's from then on, durably.</summary>
    private bool ClaimExisting(Digest digest) => updates.Change(digest, record => record is { Owned: false, Complete: true }
        ? record with { Owned = true, CreatedAt = options.Time.GetUtcNow(), UpdatedAt = options.Time.GetUtcNow() }
        : record) is { Owned: true } claimed && Stands(claimed);

    /// <summary>Asks the fleet for what a manifest names. What goes wrong here is nobody's failure: containerd will ask by itself.</summary>
    private async ValueTask LookAheadAsync()
    {
        try
        {
            if (DescriptorScan.Descriptors(_text.Length > 0 ? _text : await ReadLongTextAsync()) is { Count: > 0 } digests)
            {
                fleet.LookAhead(digests);
            }
        }
        catch (Exception e)
        {
            errors.LogNoLookAhead(e);
        }
    }

    /// <summary>The text of what is longer than a chunk and still an index, perhaps: it is read back, for its first byte at least.</summary>
    private async ValueTask<byte[]> ReadLongTextAsync()
    {
        if (_longText is not { Size: <= DescriptorScan.MaxLength } root)
        {
            return [];
        }

        using DagReader reader = await DagReader.OpenAsync(root.Root, new LocalBlockSource(store.Blocks), CancellationToken.None);
        byte[] bytes = new byte[1];
        if (await reader.ReadAsync(0, bytes, CancellationToken.None) == 0 || bytes[0] != '{')
        {
            return [];
        }

        bytes = new byte[root.Size];
        await reader.ReadAsync(0, bytes, CancellationToken.None);
        return bytes;
    }

    private static WriteContentResponse Reply(WriteAction action, IngestStatus status, Digest digest) => new()
    {
        Action = action,
        StartedAt = Timestamp.FromDateTimeOffset(status.StartedAt),
        UpdatedAt = Timestamp.FromDateTimeOffset(status.UpdatedAt),
        Offset = status.Offset,
        Total = status.Total,
        Digest = digest.ToString(),
    };
}
