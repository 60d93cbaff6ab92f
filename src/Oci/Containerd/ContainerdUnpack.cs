using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using Grpc.Core;
using Ipcs.Multiformats;
using Ipcs.Oci.Containerd.V1;
using OciDescriptor = Ipcs.Oci.Descriptor;

namespace Ipcs.Oci.Containerd;

/// <summary>
/// Unpacks an image for the platform of this host, layer by layer, through containerd's snapshot and diff services. Layers that are
/// unpacked already, also by an interrupted run, are skipped.
/// </summary>
public sealed class ContainerdUnpack(ContainerdClient client, ContainerdImages images, ContainerdLease lease, string apiSocket)
{
    /// <summary>The snapshotters tried when none is given: the default of containerd, then one that works without overlayfs.</summary>
    private static readonly string[] Snapshotters = ["overlayfs", "native"];

    private readonly Metadata _headers = lease.Headers;

    /// <summary>False once containerd turned out not to have <see cref="LayerProcessor"/> configured.</summary>
    private bool _hasProcessor = true;

    /// <summary>Unpacks the image.</summary>
    /// <param name="target">The manifest or index.</param>
    /// <param name="read">Reads manifests, indexes and configs.</param>
    /// <param name="snapshotter">The snapshotter; null to choose one.</param>
    /// <param name="ready">Waits until a content can be read and is in the namespace: called for the config, and for each layer before it
    /// is unpacked.</param>
    /// <param name="cancellationToken">Cancels unpacking. Finished layers stay until containerd's GC removes them.</param>
    public async Task UnpackAsync(
        OciDescriptor target,
        Func<Digest, CancellationToken, Task<byte[]>> read,
        string? snapshotter,
        Func<OciDescriptor, Task> ready,
        CancellationToken cancellationToken)
    {
        IReadOnlyList<OciDescriptor> all = await ImageGraph.ExpandAsync(target, read, Platform.Host, cancellationToken);
        OciDescriptor manifest = all.FirstOrDefault(d => d.IsManifest)
            ?? throw new ImageSourceException($"{target.Digest} has no manifest for {Platform.Host}");
        JsonObject document = ImageGraph.ParseDocument(await read(manifest.Digest, cancellationToken), manifest.Digest);
        OciDescriptor config = OciDescriptor.Parse(document["config"]);
        JsonObject configuration = ImageGraph.ParseDocument(await read(config.Digest, cancellationToken), config.Digest);
        string[] diffIds = configuration["rootfs"]?["diff_ids"] is JsonArray ids ? [.. ids.Select(i => (string?)i ?? "")] : [];
        OciDescriptor[] layers = document["layers"] is JsonArray list ? [.. list.Select(OciDescriptor.Parse)] : [];
        if (diffIds.Length != layers.Length || layers.Length == 0)
        {
            throw new ImageSourceException(
                $"{manifest.Digest} has {layers.Length} layers and {diffIds.Length} diff ids and cannot be unpacked");
        }

        snapshotter ??= await ChooseAsync(cancellationToken);
        await ready(config);
        string parent = "";
        for (int i = 0; i < layers.Length; i++)
        {
            await ready(layers[i]);
            string chain = i == 0 ? diffIds[0] : ChainOf(parent, diffIds[i]);
            await UnpackLayerAsync(snapshotter, layers[i], diffIds[i], parent, chain, cancellationToken);
            parent = chain;
        }

        await images.SetLabelsAsync(
            config.Digest,
            new Dictionary<string, string>(StringComparer.Ordinal) { [$"containerd.io/gc.ref.snapshot.{snapshotter}"] = parent },
            cancellationToken);
    }

    /// <summary>
    /// The chain ID of a layer on top of a parent: https://github.com/opencontainers/image-spec/blob/main/config.md, section Layer
    /// ChainID.
    /// </summary>
    private static string ChainOf(string parent, string diffId) =>
        "sha256:" + Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes($"{parent} {diffId}")));

    private async Task<string> ChooseAsync(CancellationToken cancellationToken)
    {
        foreach (string snapshotter in Snapshotters)
        {
            try
            {
                await client.Snapshots.StatAsync(
                    new StatSnapshotRequest { Snapshotter = snapshotter, Key = "ipcs" }, _headers, cancellationToken: cancellationToken);
                return snapshotter;
            }
            catch (RpcException e) when (e.StatusCode == StatusCode.NotFound)
            {
                return snapshotter;
            }
            catch (RpcException e) when (e.StatusCode == StatusCode.InvalidArgument)
            {
                // This snapshotter is not loaded.
            }
        }

        throw new ContainerdException(
            $"containerd at {client.Address} has neither of the snapshotters {string.Join(" and ", Snapshotters)}: "
            + "choose one with --snapshotter");
    }

    private async Task UnpackLayerAsync(
        string snapshotter, OciDescriptor layer, string diffId, string parent, string chain, CancellationToken cancellationToken)
    {
        if (await IsUnpackedAsync(snapshotter, chain, cancellationToken))
        {
            return;
        }

        // The form of the keys of containerd's client.
        string key = $"extract-{Guid.NewGuid():N} {chain}";
        var prepare = new PrepareSnapshotRequest { Snapshotter = snapshotter, Key = key, Parent = parent };
        prepare.Labels["containerd.io/snapshot.ref"] = chain;
        await client.CallAsync($"unpack {layer.Digest}", async () =>
        {
            PrepareSnapshotResponse prepared = await client.Snapshots.PrepareAsync(prepare, _headers, cancellationToken: cancellationToken);
            try
            {
                ApplyResponse applied = await ApplyAsync(layer, prepared.Mounts, cancellationToken);
                if (applied.Applied.Digest != diffId)
                {
                    throw new ImageSourceException($"layer {layer.Digest} unpacks to {applied.Applied.Digest}, the config has {diffId}");
                }

                var commit = new CommitSnapshotRequest { Snapshotter = snapshotter, Name = chain, Key = key };
                commit.Labels["containerd.io/snapshot.ref"] = chain;
                await client.Snapshots.CommitAsync(commit, _headers, cancellationToken: cancellationToken);
            }
            catch (RpcException e) when (e.StatusCode == StatusCode.AlreadyExists)
            {
                // Another client has unpacked the layer meanwhile.
                await RemoveAsync(snapshotter, key);
            }
            catch
            {
                await RemoveAsync(snapshotter, key);
                throw;
            }

            return true;
        });
        await images.SetLabelsAsync(
            layer.Digest,
            new Dictionary<string, string>(StringComparer.Ordinal) { ["containerd.io/uncompressed"] = diffId },
            cancellationToken);
    }

    private async Task<ApplyResponse> ApplyAsync(OciDescriptor layer, IEnumerable<Types.Mount> mounts, CancellationToken cancellationToken)
    {
        var request = new ApplyRequest();
        request.Mounts.AddRange(mounts);
        if (_hasProcessor && LayerProcessor.Descriptor(layer) is { } processed)
        {
            request.Diff = processed;
            request.Payloads[LayerProcessor.Name] = LayerProcessor.Payload(apiSocket, layer.Digest);
            try
            {
                return await client.Diff.ApplyAsync(request, _headers, cancellationToken: cancellationToken);
            }
            catch (RpcException e) when (e.Status.Detail.Contains(LayerProcessor.Missing, StringComparison.Ordinal))
            {
                _hasProcessor = false;
                request.Payloads.Clear();
            }
        }

        request.Diff = ContainerdImages.ToDescriptor(layer);
        if (layer.MediaType == MediaTypes.OciLayer)
        {
            // containerd reads a layer of this type in pieces of 512 bytes, and one that may be compressed in pieces of 32 KiB.
            request.Diff.MediaType = MediaTypes.DockerLayer;
        }

        return await client.Diff.ApplyAsync(request, _headers, cancellationToken: cancellationToken);
    }

    private Task<bool> IsUnpackedAsync(string snapshotter, string chain, CancellationToken cancellationToken) =>
        client.CallAsync($"snapshot {chain}", async () =>
        {
            try
            {
                await client.Snapshots.StatAsync(
                    new StatSnapshotRequest { Snapshotter = snapshotter, Key = chain }, _headers, cancellationToken: cancellationToken);
                return true;
            }
            catch (RpcException e) when (e.StatusCode == StatusCode.NotFound)
            {
                return false;
            }
        });

    private async Task RemoveAsync(string snapshotter, string key)
    {
        try
        {
            await client.Snapshots.RemoveAsync(
                new RemoveSnapshotRequest { Snapshotter = snapshotter, Key = key }, _headers, cancellationToken: CancellationToken.None);
        }
        catch (RpcException)
        {
            // containerd's GC removes the snapshot after the end of the lease.
        }
    }
}
