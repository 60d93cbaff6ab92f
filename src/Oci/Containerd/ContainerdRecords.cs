using Grpc.Core;
using Ipcs.Multiformats;
using Ipcs.Oci.Containerd.V1;

namespace Ipcs.Oci.Containerd;

/// <summary>
/// containerd's records through its API. Its metadata store answers Info and List from its database alone, whatever the content store has.
/// Delete removes the record of one namespace and marks the content store for the next garbage collection; it does not call the content
/// store (https://github.com/containerd/containerd/blob/main/core/metadata/content.go).
/// </summary>
public sealed class ContainerdRecords(ContainerdClient client) : IContainerdRecords
{
    private const string ContentPlugin = "io.containerd.content.v1";

    private readonly Dictionary<string, ContainerdLease> _leases = new(StringComparer.Ordinal);
    private readonly SemaphoreSlim _leasing = new(1, 1);

    /// <inheritdoc/>
    public async Task<Recorded> ReadAsync(CancellationToken cancellationToken)
    {
        await RequireProxyAsync(cancellationToken);
        ListNamespacesResponse spaces = await client.CallAsync("namespaces", async () => await client.Namespaces.ListAsync(
            new ListNamespacesRequest(), cancellationToken: cancellationToken));
        List<RecordedContent> contents = [];
        List<RecordedImage> images = [];
        foreach (string space in spaces.Namespaces.Select(space => space.Name))
        {
            Metadata headers = ContainerdClient.Headers(space);
            await client.CallAsync($"contents of namespace {space}", async () =>
            {
                using AsyncServerStreamingCall<ListContentResponse> list = client.Content.List(
                    new ListContentRequest(), headers, cancellationToken: cancellationToken);
                while (await list.ResponseStream.MoveNext(cancellationToken))
                {
                    foreach (Info info in list.ResponseStream.Current.Info)
                    {
                        if (Digest.TryParse(info.Digest, out Digest digest))
                        {
                            contents.Add(RecordedContent.FromLabels(space, digest, info.Size, info.Labels));
                        }
                    }
                }

                return true;
            });
            ListImagesResponse listed = await client.CallAsync($"images of namespace {space}", async () => await client.Images.ListAsync(
                new ListImagesRequest(), headers, cancellationToken: cancellationToken));
            foreach (Image image in listed.Images)
            {
                if (Digest.TryParse(image.Target?.Digest ?? "", out Digest target))
                {
                    images.Add(new RecordedImage(space, image.Name, target));
                }
            }
        }

        return new Recorded { Spaces = spaces.Namespaces.Count, Contents = contents, Images = images };
    }

    /// <inheritdoc/>
    public async Task DropAsync(RecordedContent content, CancellationToken cancellationToken)
    {
        if (content.Size > 0 && await CanReadAsync(content, cancellationToken))
        {
            throw new ContainerdException(
                $"containerd at {client.Address} reads {content.Digest}, which ipcs does not have: ipcs is not its content store");
        }

        await KeepReferencedAsync(content, cancellationToken);
        await client.CallAsync($"content {content.Digest}", async () =>
        {
            try
            {
                await client.Content.DeleteAsync(
                    new DeleteContentRequest { Digest = content.Digest.ToString() },
                    ContainerdClient.Headers(content.Space),
                    cancellationToken: cancellationToken);
            }
            catch (RpcException e) when (e.StatusCode == StatusCode.NotFound)
            {
                // It went meanwhile, with its image.
            }

            return true;
        });
    }

    /// <summary>
    /// Checks that containerd's content store is behind a socket. With a store of its own, as another containerd of the host may have, its
    /// records say nothing about what ipcs has or should keep.
    /// </summary>
    private async Task RequireProxyAsync(CancellationToken cancellationToken)
    {
        PluginsResponse answer = await client.CallAsync("plugins", async () => await client.Introspection.PluginsAsync(
            new PluginsRequest { Filters = { $"type=={ContentPlugin}" } }, cancellationToken: cancellationToken));
        if (answer.Plugins.FirstOrDefault(plugin => plugin.Type == ContentPlugin && !plugin.Exports.ContainsKey("address")) is { } other)
        {
            throw new ContainerdException(
                $"containerd at {client.Address} has the content store '{other.Id}', not ipcs: "
                + "set it up with `ipcs containerd config`, or name the right socket with the daemon's option --containerd");
        }
    }

    /// <summary>
    /// True when containerd can read the first byte. It can when its content store is not this daemon, and its record is right then.
    /// </summary>
    private Task<bool> CanReadAsync(RecordedContent content, CancellationToken cancellationToken) =>
        client.CallThroughAsync($"content {content.Digest}", async () =>
        {
            using AsyncServerStreamingCall<ReadContentResponse> read = client.Content.Read(
                new ReadContentRequest { Digest = content.Digest.ToString(), Size = 1 },
                ContainerdClient.Headers(content.Space),
                cancellationToken: cancellationToken);
            try
            {
                return await read.ResponseStream.MoveNext(cancellationToken);
            }
            catch (RpcException e) when (e.StatusCode == StatusCode.NotFound)
            {
                return false;
            }
        }, cancellationToken);

    /// <summary>
    /// Puts the children of a content under a lease: the record of a manifest keeps the config and the layers, and that of a config the
    /// unpacked snapshots. The lease is not deleted. It expires after a day; the next pull has set the labels again by then.
    /// </summary>
    private async Task KeepReferencedAsync(RecordedContent content, CancellationToken cancellationToken)
    {
        if (content.Contents.Count + content.Snapshots.Count == 0)
        {
            return;
        }

        ContainerdLease? lease;
        await _leasing.WaitAsync(cancellationToken);
        try
        {
            if (!_leases.TryGetValue(content.Space, out lease))
            {
                _leases.Add(content.Space, lease = await ContainerdLease.OpenAsync(client, content.Space, cancellationToken));
            }
        }
        finally
        {
            _leasing.Release();
        }

        foreach (Digest child in content.Contents)
        {
            await lease.AddAsync("content", child.ToString(), cancellationToken);
        }

        foreach ((string snapshotter, string key) in content.Snapshots)
        {
            await lease.AddAsync($"snapshots/{snapshotter}", key, cancellationToken);
        }
    }
}
