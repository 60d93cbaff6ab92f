using Grpc.Core;
using Ipcs.Oci.Containerd.V1;

namespace Ipcs.Oci.Containerd;

/// <summary>
/// A lease in a namespace of containerd. Objects that are created under it are protected from containerd's GC until the lease is deleted
/// or, if this daemon ends before, expires.
/// </summary>
public sealed class ContainerdLease : IAsyncDisposable
{
    /// <summary>When a lease expires: longer than any pull takes.</summary>
    private static readonly TimeSpan MaxTime = TimeSpan.FromHours(24);

    /// <summary>The timeout for deleting a lease; after it the lease is left to expire.</summary>
    private static readonly TimeSpan EndTime = TimeSpan.FromSeconds(10);

    private readonly ContainerdClient _client;
    private readonly string _space;
    private readonly string _id;

    private ContainerdLease(ContainerdClient client, string space, string id)
    {
        _client = client;
        _space = space;
        _id = id;
        Headers = ContainerdClient.Headers(space, id);
    }

    /// <summary>The headers of calls under the lease.</summary>
    public Metadata Headers { get; }

    /// <summary>Creates a lease.</summary>
    /// <exception cref="ContainerdException">The call failed.</exception>
    public static async Task<ContainerdLease> OpenAsync(ContainerdClient client, string space, CancellationToken cancellationToken)
    {
        string id = $"ipcs-{Guid.NewGuid():N}";
        var request = new CreateRequest { Id = id };
        request.Labels["containerd.io/gc.expire"] = client.Time.GetUtcNow().Add(MaxTime).ToString("yyyy-MM-ddTHH:mm:ssZ");
        await client.CallAsync(
            "lease",
            async () => await client.Leases.CreateAsync(request, ContainerdClient.Headers(space), cancellationToken: cancellationToken));
        return new ContainerdLease(client, space, id);
    }

    /// <summary>Protects an object that exists already, and what it references.</summary>
    /// <param name="type"><c>content</c>, or <c>snapshots/</c> and the name of a snapshotter.</param>
    /// <param name="id">The digest of the content, or the key of the snapshot.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <exception cref="ContainerdException">The call failed.</exception>
    internal Task AddAsync(string type, string id, CancellationToken cancellationToken) =>
        _client.CallAsync("lease", async () => await _client.Leases.AddResourceAsync(
            new AddResourceRequest { Id = _id, Resource = new Resource { Type = type, Id = id } },
            ContainerdClient.Headers(_space),
            cancellationToken: cancellationToken));

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        try
        {
            DateTime deadline = _client.Time.GetUtcNow().Add(EndTime).UtcDateTime;
            await _client.Leases.DeleteAsync(
                new DeleteRequest { Id = _id }, ContainerdClient.Headers(_space), deadline, CancellationToken.None);
        }
        catch (RpcException)
        {
            // The lease expires.
        }
    }
}
