using System.Net.Sockets;
using Grpc.Core;
using Grpc.Net.Client;
using Ipcs.Oci.Containerd.V1;

namespace Ipcs.Oci.Containerd;

/// <summary>containerd's services on its unix socket. API: https://github.com/containerd/containerd/tree/main/api.</summary>
public sealed class ContainerdClient : IDisposable
{
    /// <summary>After a restart of this daemon, containerd dials it again with a back-off that grows to 3 s; this is some of those.</summary>
    private static readonly TimeSpan RedialTime = TimeSpan.FromSeconds(10);

    private static readonly TimeSpan RedialStep = TimeSpan.FromMilliseconds(200);

    private readonly GrpcChannel _channel;

    public ContainerdClient(string address)
    {
        Address = address.StartsWith("unix://", StringComparison.Ordinal) ? address["unix://".Length..] : address;
        _channel = GrpcChannel.ForAddress("http://containerd", new GrpcChannelOptions
        {
            MaxReceiveMessageSize = 16 << 20,
            HttpHandler = new SocketsHttpHandler
            {
                ConnectCallback = async (_, cancellationToken) =>
                {
                    var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
                    try
                    {
                        await socket.ConnectAsync(new UnixDomainSocketEndPoint(Address), cancellationToken);
                        return new NetworkStream(socket, ownsSocket: true);
                    }
                    catch
                    {
                        socket.Dispose();
                        throw;
                    }
                },
            },
        });
        Images = new Images.ImagesClient(_channel);
        Leases = new Leases.LeasesClient(_channel);
        Content = new Content.ContentClient(_channel);
        Snapshots = new Snapshots.SnapshotsClient(_channel);
        Diff = new Diff.DiffClient(_channel);
    }

    public string Address { get; }

    internal Images.ImagesClient Images { get; }

    internal Leases.LeasesClient Leases { get; }

    internal Content.ContentClient Content { get; }

    internal Snapshots.SnapshotsClient Snapshots { get; }

    internal Diff.DiffClient Diff { get; }

    /// <summary>What every call carries: the namespace, and the lease that holds what it makes.</summary>
    public static Metadata Headers(string space, string? lease = null)
    {
        var headers = new Metadata { { "containerd-namespace", space } };
        if (lease is not null)
        {
            headers.Add("containerd-lease", lease);
        }

        return headers;
    }

    /// <summary>Runs a call; its failure becomes one line that names it.</summary>
    public async Task<T> CallAsync<T>(string what, Func<Task<T>> call)
    {
        try
        {
            return await call();
        }
        catch (RpcException e)
        {
            throw new ContainerdException($"containerd at {Address}: {what}: {e.Status.Detail}", e);
        }
    }

    /// <summary>The same for a call that containerd passes on to this daemon: one that comes before containerd has dialled it again waits for that.</summary>
    public async Task<T> CallThroughAsync<T>(string what, Func<Task<T>> call, CancellationToken cancellationToken)
    {
        long begun = TimeProvider.System.GetTimestamp();
        while (true)
        {
            try
            {
                return await CallAsync(what, call);
            }
            catch (ContainerdException e) when (IsItsOwn(e, StatusCode.Unavailable) && TimeProvider.System.GetElapsedTime(begun) < RedialTime)
            {
                await Task.Delay(RedialStep, cancellationToken);
            }
        }
    }

    public void Dispose() => _channel.Dispose();

    /// <summary>True for an answer of containerd's; that it can't be reached is an exception of ours.</summary>
    private static bool IsItsOwn(ContainerdException e, StatusCode code) =>
        e.InnerException is RpcException { Status.DebugException: null } answer && answer.StatusCode == code;
}
