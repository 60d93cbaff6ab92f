using Grpc.Core;
using Ipcs.Oci.Containerd.V1;

namespace Ipcs.Oci.Containerd;

/// <summary>
/// A lease in one namespace of containerd: what is made under it is kept from its GC until the lease ends or, should this daemon die, expires.
/// </summary>
public sealed class ContainerdLease : IAsyncDisposable
{
    /// <summary>Longer than any pull.</summary>
    private static readonly TimeSpan MaxTime = TimeSpan.FromHours(24);

    /// <summary>containerd must answer to the end of a lease within this, or the lease is left to expire.</summary>
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

    /// <summary>What calls under the lease carry.</summary>
    public Metadata Headers { get; }

    /// <summary>Opens one.</summary>
    /// <exception cref="ContainerdException">containerd does not answer.</exception>
    public static async Task<ContainerdLease> OpenAsync(ContainerdClient client, string space, CancellationToken cancellationToken)
    {
        string id = $"ipcs-{Guid.NewGuid():N}";
        var request = new CreateRequest { Id = id };
        request.Labels["containerd.io/gc.expire"] = TimeProvider.System.GetUtcNow().Add(MaxTime).ToString("yyyy-MM-ddTHH:mm:ssZ");
        await client.CallAsync("lease", async () => await client.Leases.CreateAsync(request, ContainerdClient.Headers(space), cancellationToken: cancellationToken));
        return new ContainerdLease(client, space, id);
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        try
        {
            await _client.Leases.DeleteAsync(
                new DeleteRequest { Id = _id }, ContainerdClient.Headers(_space), TimeProvider.System.GetUtcNow().Add(EndTime).UtcDateTime, CancellationToken.None);
        }
        catch (RpcException)
        {
            // It expires by itself.
        }
    }
}
