using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using Ipcs.ContentApi.V1;
using Ipcs.Multiformats;
using Ipcs.Node.Containerd.Types;
using Ipcs.Node.Containerd.V1;
using Ipcs.Oci;
using OciDescriptor = Ipcs.Oci.Descriptor;

namespace Ipcs.Node.Containerd;

/// <summary>
/// Registers images in one namespace of containerd, as its own client does after a pull: under a lease, each content is made containerd's,
/// parents get the labels that keep their children from its GC, and the image record comes last.
/// </summary>
internal sealed class ContainerdImages(ContainerdClient client, string space)
{
    private const string Snapshotter = "overlayfs";
    private static readonly TimeSpan LeaseTime = TimeSpan.FromHours(1);

    /// <summary>Registers an image whose contents are all here. <paramref name="read"/> gives manifests and indexes.</summary>
    public Task RegisterAsync(
        string name, OciDescriptor target, Func<Digest, CancellationToken, Task<byte[]>> read, CancellationToken cancellationToken) => WithLeaseAsync(async lease =>
    {
        Metadata headers = ContainerdClient.Headers(space, lease);
        IReadOnlyList<OciDescriptor> all = await ImageGraph.ExpandAsync(target, read, Platform.Host, cancellationToken);
        foreach (OciDescriptor descriptor in all.Reverse())
        {
            await AdoptAsync(descriptor, headers, cancellationToken);
            if (descriptor.IsIndex || descriptor.IsManifest)
            {
                await LabelAsync(descriptor, await read(descriptor.Digest, cancellationToken), headers, cancellationToken);
            }
        }

        var image = new Image { Name = name, Target = ToDescriptor(target) };
        await client.CallAsync($"image {name}", async () =>
        {
            try
            {
                await client.Images.CreateAsync(new CreateImageRequest { Image = image }, headers, cancellationToken: cancellationToken);
            }
            catch (RpcException e) when (e.StatusCode == StatusCode.AlreadyExists)
            {
                await client.Images.UpdateAsync(new UpdateImageRequest { Image = image }, headers, cancellationToken: cancellationToken);
            }

            return true;
        });
    }, cancellationToken);

    /// <summary>Unpacks a registered image for this host's platform, layer by layer, through containerd's snapshot and diff services.</summary>
    public Task UnpackAsync(OciDescriptor target, Func<Digest, CancellationToken, Task<byte[]>> read, CancellationToken cancellationToken) => WithLeaseAsync(async lease =>
    {
        Metadata headers = ContainerdClient.Headers(space, lease);
        IReadOnlyList<OciDescriptor> all = await ImageGraph.ExpandAsync(target, read, Platform.Host, cancellationToken);
        OciDescriptor manifest = all.FirstOrDefault(d => d.IsManifest) ?? throw new ImageSourceException($"{target.Digest} has no manifest for {Platform.Host}");
        JsonObject document = ImageGraph.ParseDocument(await read(manifest.Digest, cancellationToken), manifest.Digest);
        OciDescriptor config = OciDescriptor.Parse(document["config"]);
        JsonObject configuration = ImageGraph.ParseDocument(await read(config.Digest, cancellationToken), config.Digest);
        string[] diffIds = configuration["rootfs"]?["diff_ids"] is JsonArray ids ? [.. ids.Select(i => (string?)i ?? "")] : [];
        OciDescriptor[] layers = document["layers"] is JsonArray list ? [.. list.Select(OciDescriptor.Parse)] : [];
        if (diffIds.Length != layers.Length || layers.Length == 0)
        {
            throw new ImageSourceException($"{manifest.Digest} has {layers.Length} layers and {diffIds.Length} diff ids");
        }

        string parent = "";
        for (int i = 0; i < layers.Length; i++)
        {
            string chain = i == 0 ? diffIds[0] : "sha256:" + Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes($"{parent} {diffIds[i]}")));
            await UnpackLayerAsync(layers[i], diffIds[i], parent, chain, headers, cancellationToken);
            parent = chain;
        }

        await UpdateLabelsAsync(config.Digest, new Dictionary<string, string>(StringComparer.Ordinal) { [$"containerd.io/gc.ref.snapshot.{Snapshotter}"] = parent }, headers, cancellationToken);
    }, cancellationToken);

    private static TypedDescriptor ToDescriptor(OciDescriptor descriptor) =>
        new() { MediaType = descriptor.MediaType, Digest = descriptor.Digest.ToString(), Size = descriptor.Size };

    private static SnapshotNames NamesOf(string chain) => new(chain, $"extract-{Guid.NewGuid():N} {chain}");

    /// <summary>
    /// Makes a content containerd's. Its metadata layer asks our Info when the write is opened; a positive answer makes it known to the
    /// namespace and comes back as "already exists".
    /// </summary>
    private Task<bool> AdoptAsync(OciDescriptor descriptor, Metadata headers, CancellationToken cancellationToken) =>
        client.CallAsync($"content {descriptor.Digest}", async () =>
        {
            using AsyncDuplexStreamingCall<WriteContentRequest, WriteContentResponse> write = client.Content.Write(headers, cancellationToken: cancellationToken);
            try
            {
                await write.RequestStream.WriteAsync(
                    new WriteContentRequest
                    {
                        Action = WriteAction.Stat, Ref = $"ipcs-{descriptor.Digest}", Total = descriptor.Size, Expected = descriptor.Digest.ToString(),
                    },
                    cancellationToken);
                if (await write.ResponseStream.MoveNext(cancellationToken) && write.ResponseStream.Current.Offset == descriptor.Size)
                {
                    // The metadata layer has found it in its backend: a commit with no bytes makes it the namespace's.
                    await write.RequestStream.WriteAsync(
                        new WriteContentRequest
                        {
                            Action = WriteAction.Commit, Total = descriptor.Size, Offset = descriptor.Size, Expected = descriptor.Digest.ToString(),
                        },
                        cancellationToken);
                    if (await write.ResponseStream.MoveNext(cancellationToken))
                    {
                        return true;
                    }
                }
            }
            catch (RpcException e) when (e.StatusCode == StatusCode.AlreadyExists)
            {
                return true;
            }

            throw new ContainerdException($"containerd at {client.Address} does not take {descriptor.Digest} from this daemon: is ipcs its content store, and its policy shared?");
        });

    private Task LabelAsync(OciDescriptor descriptor, byte[] bytes, Metadata headers, CancellationToken cancellationToken)
    {
        var labels = new Dictionary<string, string>(StringComparer.Ordinal);
        JsonObject document = ImageGraph.ParseDocument(bytes, descriptor.Digest);
        int layer = 0, manifest = 0;
        foreach (OciDescriptor child in ImageGraph.Children(document, Platform.Host))
        {
            string key = document["manifests"] is JsonArray ? $"m.{manifest++}"
                : child.Digest.ToString() == (string?)document["config"]?["digest"] ? "config"
                : $"l.{layer++}";
            labels[$"containerd.io/gc.ref.content.{key}"] = child.Digest.ToString();
        }

        return UpdateLabelsAsync(descriptor.Digest, labels, headers, cancellationToken);
    }

    private Task UpdateLabelsAsync(Digest digest, Dictionary<string, string> labels, Metadata headers, CancellationToken cancellationToken) =>
        client.CallAsync($"labels of {digest}", async () =>
        {
            var request = new UpdateRequest { Info = new Info { Digest = digest.ToString() }, UpdateMask = new FieldMask() };
            foreach ((string key, string value) in labels)
            {
                request.Info.Labels[key] = value;
                request.UpdateMask.Paths.Add("labels." + key);
            }

            return labels.Count == 0 ? null : await client.Content.UpdateAsync(request, headers, cancellationToken: cancellationToken);
        });

    private async Task UnpackLayerAsync(
        OciDescriptor layer, string diffId, string parent, string chain, Metadata headers, CancellationToken cancellationToken)
    {
        try
        {
            await client.Snapshots.StatAsync(new StatSnapshotRequest { Snapshotter = Snapshotter, Key = chain }, headers, cancellationToken: cancellationToken);
            return;
        }
        catch (RpcException e) when (e.StatusCode == StatusCode.NotFound)
        {
            // To be made.
        }

        SnapshotNames names = NamesOf(chain);
        await client.CallAsync($"unpack {layer.Digest}", async () =>
        {
            PrepareSnapshotResponse prepared = await client.Snapshots.PrepareAsync(
                new PrepareSnapshotRequest { Snapshotter = Snapshotter, Key = names.Key, Parent = parent }, headers, cancellationToken: cancellationToken);
            try
            {
                var request = new ApplyRequest { Diff = ToDescriptor(layer) };
                request.Mounts.AddRange(prepared.Mounts);
                ApplyResponse applied = await client.Diff.ApplyAsync(request, headers, cancellationToken: cancellationToken);
                if (applied.Applied.Digest != diffId)
                {
                    throw new ImageSourceException($"layer {layer.Digest} unpacks to {applied.Applied.Digest}, the config says {diffId}");
                }

                await client.Snapshots.CommitAsync(
                    new CommitSnapshotRequest { Snapshotter = Snapshotter, Name = names.Name, Key = names.Key }, headers, cancellationToken: cancellationToken);
            }
            catch (RpcException e) when (e.StatusCode == StatusCode.AlreadyExists)
            {
                // Somebody else has unpacked it meanwhile.
                await RemoveAsync(names.Key, headers);
            }
            catch
            {
                await RemoveAsync(names.Key, headers);
                throw;
            }

            return true;
        });
    }

    private async Task RemoveAsync(string key, Metadata headers)
    {
        try
        {
            await client.Snapshots.RemoveAsync(new RemoveSnapshotRequest { Snapshotter = Snapshotter, Key = key }, headers, cancellationToken: CancellationToken.None);
        }
        catch (RpcException)
        {
            // The lease ends, and containerd's GC takes it.
        }
    }

    private async Task WithLeaseAsync(Func<string, Task> work, CancellationToken cancellationToken)
    {
        string id = $"ipcs-{Guid.NewGuid():N}";
        var request = new CreateRequest { Id = id };
        request.Labels["containerd.io/gc.expire"] = TimeProvider.System.GetUtcNow().Add(LeaseTime).ToString("yyyy-MM-ddTHH:mm:ssZ");
        await client.CallAsync("lease", async () => await client.Leases.CreateAsync(request, ContainerdClient.Headers(space), cancellationToken: cancellationToken));
        try
        {
            await work(id);
        }
        finally
        {
            await client.CallAsync("end of lease", async () => await client.Leases.DeleteAsync(new DeleteRequest { Id = id }, ContainerdClient.Headers(space), cancellationToken: CancellationToken.None));
        }
    }

    private sealed record SnapshotNames(string Name, string Key);
}
