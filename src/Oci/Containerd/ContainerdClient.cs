using System.Net.Sockets;
using Grpc.Core;
using Grpc.Net.Client;
using Ipcs.Oci.Containerd.V1;

namespace Ipcs.Oci.Containerd;

/// <summary>A client of containerd's services on its unix socket. API: https://github.com/containerd/containerd/tree/main/api.</summary>
public sealed class ContainerdClient : IDisposable
{
    /// <summary>
    /// How long calls are repeated after a restart of this daemon: containerd dials it again with a backoff of up to 3 s, a few times.
    /// </summary>
    private static readonly TimeSpan RedialTime = TimeSpan.FromSeconds(10);

    private static readonly TimeSpan RedialStep = TimeSpan.FromMilliseconds(200);

    private readonly GrpcChannel _channel;
    private readonly TimeProvider _time;

    /// <summary>Creates a client. It connects with the first call.</summary>
    /// <param name="address">The path of the socket, with or without <c>unix://</c>.</param>
    /// <param name="time">The clock.</param>
    public ContainerdClient(string address, TimeProvider time)
    {
        _time = time;
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
        Namespaces = new Namespaces.NamespacesClient(_channel);
        Introspection = new Introspection.IntrospectionClient(_channel);
    }

    /// <summary>The path of the socket.</summary>
    public string Address { get; }

    /// <summary>The clock.</summary>
    internal TimeProvider Time => _time;

    internal Images.ImagesClient Images { get; }

    internal Leases.LeasesClient Leases { get; }

    internal Content.ContentClient Content { get; }

    internal Snapshots.SnapshotsClient Snapshots { get; }

    internal Diff.DiffClient Diff { get; }

    internal Namespaces.NamespacesClient Namespaces { get; }

    internal Introspection.IntrospectionClient Introspection { get; }

    /// <summary>The headers of a call: the namespace, and the lease that protects the created objects from GC.</summary>
    public static Metadata Headers(string space, string? lease = null)
    {
        var headers = new Metadata { { "containerd-namespace", space } };
        if (lease is not null)
        {
            headers.Add("containerd-lease", lease);
        }

        return headers;
    }

    /// <summary>Runs a call. An error becomes a <see cref="ContainerdException"/> that names the call.</summary>
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

    /// <summary>
    /// Like <see cref="CallAsync"/>, for a call that containerd forwards to this daemon: repeated until containerd has dialled the daemon
    /// again.
    /// </summary>
    public async Task<T> CallThroughAsync<T>(string what, Func<Task<T>> call, CancellationToken cancellationToken)
    {
        long begun = _time.GetTimestamp();
        while (true)
        {
            try
            {
                return await CallAsync(what, call);
            }
            catch (ContainerdException e) when (IsAnswer(e, StatusCode.Unavailable) && _time.GetElapsedTime(begun) < RedialTime)
            {
                await Task.Delay(RedialStep, _time, cancellationToken);
            }
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _channel.Dispose();

    /// <summary>
    /// True for a status that containerd answered, false for one that the local gRPC client made because it could not connect.
    /// </summary>
    private static bool IsAnswer(ContainerdException e, StatusCode code) =>
        e.InnerException is RpcException { Status.DebugException: null } answer && answer.StatusCode == code;
}
