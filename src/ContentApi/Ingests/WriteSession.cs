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
/// One Write stream: STAT, WRITE and COMMIT requests for one reference, each answered before the next is read.
/// Semantics: https://github.com/containerd/containerd/blob/main/api/services/content/v1/content.proto, rpc Write.
/// </summary>
internal sealed class WriteSession(
    IStore store,
    IContentFleet fleet,
    ContentCatalog catalog,
    IngestRegistry registry,
    ImportProfile profile,
    ContentApiOptions options,
    RpcErrors errors)
{
    /// <summary>The least growth, in bytes, of a content that is fetched after which Status shows it.</summary>
    private const long ProgressStep = 1 << 20;

    private long _total;
    private int _stats;
    private ContentRecord? _fetched;
    private GcLease? _fetchedLease;
    private IGrowingContent? _growing;
    private bool _mayGrow = true;
    private Digest _expected;
    private byte[] _manifest = [];
    private (Cid Root, long Size)? _committed;

    /// <summary>Runs the session until the client ends the stream, a commit, or an error.</summary>
    public async Task RunAsync(
        IAsyncStreamReader<WriteRequest> requests, IServerStreamWriter<WriteContentResponse> replies, CancellationToken cancellationToken)
    {
        if (!await requests.MoveNext(cancellationToken))
        {
            throw RpcErrors.InvalidArgument("the first message of a Write must have a reference");
        }

        WriteRequest request = requests.Current;
        CheckFirst(request);

        // Protects new blocks from collection until the registry reports the ingest's roots, or the index has the content.
        using GcLease lease = store.LeaseTouched();
        await using LockedIngest locked = await registry.AcquireAsync(request.Ref, cancellationToken)
            ?? throw RpcErrors.Unavailable($"ref {request.Ref} is locked");
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, locked.Aborted);
        try
        {
            if (!_expected.IsDefault && ClaimExisting(_expected))
            {
                locked.Discard();
                throw RpcErrors.AlreadyExists(_expected);
            }

            locked.Open(request.Total, request.Expected);
            while (true)
            {
                bool commits = request.Action == WriteAction.Commit;
                WriteContentResponse reply = await HandleAsync(locked, request, either.Token);

                // A commit has unlocked the reference, and a later session's abort is not for this reply.
                await replies.WriteAsync(reply, commits ? cancellationToken : either.Token);
                if (commits)
                {
                    // After the reply, since containerd waits for it with its metadata locked.
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
        catch (Exception) when (locked.Aborted.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            throw RpcErrors.Aborted($"ref {locked.Ref} was aborted");
        }
        finally
        {
            _fetchedLease?.Dispose();
            await EndGrowingAsync(locked.Current);
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

    private async ValueTask<WriteContentResponse> HandleAsync(
        LockedIngest locked, WriteRequest request, CancellationToken cancellationToken)
    {
        locked.Requested();
        CheckNumbers(request);
        if (request.Ref.Length > 0 && request.Ref != locked.Ref)
        {
            throw RpcErrors.InvalidArgument($"the stream is for ref {locked.Ref}; another ref needs another stream");
        }

        if (request.Expected.Length > 0)
        {
            _expected = RpcErrors.ParseDigest(request.Expected);
            if (store.Contents.Get(_expected) is { Owned: true } existing && IsUsable(existing))
            {
                locked.Discard();
                throw RpcErrors.AlreadyExists(_expected);
            }
        }

        if (request.Total > 0)
        {
            _total = request.Total;
        }

        Ingest ingest = locked.Ingest;
        if (request.Action == WriteAction.Stat)
        {
            // The first one, and the last before the commit, come while containerd has its metadata locked.
            if (++_stats == 2 && ingest.Offset == 0 && _total > 0 && Reference.DigestOf(locked.Ref) is { } digest)
            {
                await FetchAsync(locked, digest, cancellationToken);
                if (_fetched is null)
                {
                    // The client gets it from a registry now. Peers that ask from here on wait for its first chunk.
                    await BeginGrowingAsync(locked);
                }
            }

            return _fetched is null
                ? Reply(request.Action, ingest.Status, ingest.DigestSoFar)
                : Reply(request.Action, ingest.Status with { Offset = _fetched.Size }, _fetched.Digest);
        }

        if (request.Action == WriteAction.Commit)
        {
            Labels.Check(request.Labels);
        }

        // After the whole was fetched, a client commits it without data, at its end or at the offset of its first STAT, which is 0.
        if (_fetched is { } fetched && request.Data.IsEmpty && (request.Offset == fetched.Size || request.Offset == 0))
        {
            return request.Action == WriteAction.Commit
                ? CommitFetched(locked, request, fetched)
                : Reply(request.Action, ingest.Status with { Offset = fetched.Size }, fetched.Digest);
        }

        // The client writes all the same.
        _fetched = null;
        locked.IsWaiting = false;
        _stats = 2;
        await WriteAsync(locked, request);
        locked.Publish();
        return request.Action == WriteAction.Commit
            ? await CommitAsync(locked, request)
            : Reply(request.Action, ingest.Status, ingest.DigestSoFar);
    }

    /// <summary>
    /// Waits for the fleet. When it has the content, the ingest counts as written from then on, and its commit names the blocks that came;
    /// else the ingest is empty, and the client writes what the registry sends.
    /// </summary>
    private async Task FetchAsync(LockedIngest locked, Digest digest, CancellationToken cancellationToken)
    {
        IngestStatus status = locked.Ingest.Status;
        long shown = 0;
        locked.IsWaiting = true;

        // A session that came between the request and this line.
        locked.Requested();
        try
        {
            ContentRecord? fetched = await fleet.FetchAsync(digest, Show, cancellationToken);
            if (fetched is null)
            {
                return;
            }

            // A collection may have taken it before the lease had its root.
            _fetchedLease = store.LeaseDag(fetched.Root);
            if (store.Contents.Get(digest) is { Complete: true } there && there.Root == fetched.Root && there.Size == _total)
            {
                _fetched = there;
            }
        }
        finally
        {
            // What was fetched is only committed yet: a second client has nothing to wait for.
            locked.IsWaiting = _fetched is not null;
            registry.Publish(status with { Offset = _fetched?.Size ?? 0 });
        }

        void Show(long bytes)
        {
            if (bytes - Interlocked.Read(ref shown) >= ProgressStep)
            {
                Interlocked.Exchange(ref shown, bytes);
                registry.PublishProgress(locked, status with { Offset = bytes, UpdatedAt = options.Time.GetUtcNow() });
            }
        }
    }

    private WriteContentResponse CommitFetched(LockedIngest locked, WriteRequest request, ContentRecord fetched)
    {
        if (_total > 0 && _total != fetched.Size)
        {
            throw RpcErrors.FailedPrecondition($"unexpected commit size {fetched.Size}, expected {_total}");
        }

        if (!_expected.IsDefault && fetched.Digest != _expected)
        {
            throw RpcErrors.FailedPrecondition($"unexpected commit digest {fetched.Digest}, expected {_expected}");
        }

        DateTimeOffset now = options.Time.GetUtcNow();
        bool exists = false;
        IngestStatus status = locked.Ingest.Status;
        locked.Commit(catalog, fetched.Digest, existing =>
        {
            exists = existing is { Owned: true, Complete: true };
            return exists
                ? existing!
                : existing is { Complete: true }
                ? existing with
                {
                    Owned = true,
                    Retained = false,
                    CreatedAt = now,
                    UpdatedAt = now,
                    Labels = Labels.WithoutEmpty(request.Labels),
                }
                : throw RpcErrors.Unavailable($"a block of {fetched.Digest} was lost before the commit");
        });
        _committed = (fetched.Root, fetched.Size);
        return exists
            ? throw RpcErrors.AlreadyExists(fetched.Digest)
            : Reply(request.Action, status with { Offset = fetched.Size, UpdatedAt = now }, fetched.Digest);
    }

    private async ValueTask WriteAsync(LockedIngest locked, WriteRequest request)
    {
        Ingest ingest = locked.Ingest;
        if (request.Offset != 0 && request.Offset != ingest.Offset)
        {
            throw RpcErrors.OutOfRange($"a write at {request.Offset} must be at the current offset {ingest.Offset}");
        }

        if (request.Offset == 0 && ingest.Offset > 0)
        {
            await ingest.DrainAsync();
            await EndGrowingAsync(ingest);
            ingest.Truncate();
            _mayGrow = true;
        }

        if (!request.Data.IsEmpty)
        {
            await BeginGrowingAsync(locked);
            await ingest.WriteAsync(request, options.SaveEvery);
        }
    }

    /// <summary>Lets peers see the chunks of a content whose digest and size are known, before the next byte is written.</summary>
    private async ValueTask BeginGrowingAsync(LockedIngest locked)
    {
        if (!_mayGrow)
        {
            return;
        }

        _mayGrow = false;
        if (_total > 0 && Reference.DigestOf(locked.Ref) is { } digest && (_growing = fleet.BeginGrowing(digest, _total)) is { } growing)
        {
            await locked.Ingest.DrainAsync();
            locked.Ingest.Share(growing);
        }
    }

    private async ValueTask EndGrowingAsync(Ingest? ingest)
    {
        if (_growing is { } growing)
        {
            _growing = null;
            if (ingest is not null)
            {
                await ingest.DrainAsync().ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                ingest.Unshare();
            }

            growing.Dispose();
        }
    }

    private async ValueTask<WriteContentResponse> CommitAsync(LockedIngest locked, WriteRequest request)
    {
        Ingest ingest = locked.Ingest;
        await ingest.DrainAsync();
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

        if (store.Contents.Get(digest) is { Owned: true } there && IsUsable(there))
        {
            locked.Discard();
            throw RpcErrors.AlreadyExists(digest);
        }

        _manifest = ingest.OpenChunk is [(byte)'{', ..] ? ingest.OpenChunk.ToArray() : [];
        bool isLong = ingest.OpenChunk.IsEmpty;
        DagRoot root = ingest.Finish();
        DateTimeOffset now = options.Time.GetUtcNow();
        bool exists = false;
        locked.Commit(catalog, digest, existing =>
        {
            if (existing is { Owned: true })
            {
                // Another session has committed the content, or it was being fetched, and the bytes written complete it.
                exists = true;
                return IsUsable(existing)
                    ? existing
                    : existing with
                    {
                        // All facts are of the bytes that were written: what the record had may be a peer's word.
                        Root = root.Root,
                        Size = root.Size,
                        Profile = profile.Name,
                        Complete = true,
                        UpdatedAt = now,
                    };
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
        if (Reference.DigestOf(locked.Ref) == digest)
        {
            _growing?.Complete();
        }

        _committed = isLong ? (root.Root, root.Size) : null;
        return exists
            ? throw RpcErrors.AlreadyExists(digest)
            : Reply(request.Action, status with { UpdatedAt = now }, digest);
    }

    /// <summary>True unless the content is an incomplete blob, which the bytes of this session complete.</summary>
    private static bool IsUsable(ContentRecord record) => record.Complete || record.Kind != ContentKind.Blob;

    /// <summary>
    /// Makes containerd the owner of a content with a complete record, durably. True when the content need not be written.
    /// </summary>
    private bool ClaimExisting(Digest digest) =>
        catalog.Claim(digest, options.Time.GetUtcNow()) is { Owned: true } claimed && IsUsable(claimed);

    /// <summary>
    /// Asks the fleet for the contents that a manifest names. A failure is only logged: containerd asks for each of them later.
    /// </summary>
    private async ValueTask LookAheadAsync()
    {
        try
        {
            byte[] manifest = _manifest.Length > 0 ? _manifest : await ReadManifestAsync();
            if (DescriptorScan.Descriptors(manifest) is { Count: > 0 } digests)
            {
                fleet.LookAhead(digests);
            }
        }
        catch (Exception e)
        {
            errors.LogNoLookAhead(e);
        }
    }

    /// <summary>Reads back a committed content that begins as a manifest does; empty for another or one over the bound.</summary>
    private async ValueTask<byte[]> ReadManifestAsync()
    {
        if (_committed is not { Size: <= DescriptorScan.MaxLength } root)
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
