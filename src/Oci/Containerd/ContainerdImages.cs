using System.Text.Json.Nodes;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using Ipcs.Multiformats;
using Ipcs.Oci.Containerd.Types;
using Ipcs.Oci.Containerd.V1;
using OciDescriptor = Ipcs.Oci.Descriptor;

namespace Ipcs.Oci.Containerd;

/// <summary>
/// Registers images in a namespace of containerd, as containerd's client does after a pull. Under a lease it adds each content to the
/// namespace, sets the GC labels from parents to children, and creates the image record last, so that no record names an incomplete
/// image.
/// </summary>
public sealed class ContainerdImages(ContainerdClient client, string space, ContainerdLease lease)
{
    /// <summary>The namespace of the CRI plugin, and the label by which it knows its images.</summary>
    private const string CriNamespace = "k8s.io", CriLabel = "io.cri-containerd.image", CriManaged = "managed";

    private readonly Metadata _headers = lease.Headers;

    /// <summary>Registers an image whose contents are all stored here.</summary>
    /// <param name="name">The name of the image in containerd.</param>
    /// <param name="target">The manifest or index.</param>
    /// <param name="read">Reads manifests and indexes.</param>
    /// <param name="platform">The platform whose contents are registered; null for all.</param>
    /// <param name="labels">The labels of the image record.</param>
    /// <param name="cancellationToken">Cancels the registration before the record is created.</param>
    public async Task RegisterAsync(
        string name,
        OciDescriptor target,
        Func<Digest, CancellationToken, Task<byte[]>> read,
        string? platform,
        IReadOnlyDictionary<string, string> labels,
        CancellationToken cancellationToken)
    {
        IReadOnlyList<OciDescriptor> all = await ImageGraph.ExpandAsync(target, read, platform, cancellationToken);
        foreach (OciDescriptor descriptor in all.Reverse())
        {
            await AdoptAsync(descriptor, cancellationToken);
            if (descriptor.IsIndex || descriptor.IsManifest)
            {
                await LabelAsync(descriptor, await read(descriptor.Digest, cancellationToken), platform, cancellationToken);
            }
        }

        var image = new Image { Name = name, Target = ToDescriptor(target) };
        image.Labels.Add(labels.ToDictionary(StringComparer.Ordinal));
        if (space == CriNamespace)
        {
            image.Labels[CriLabel] = CriManaged;
        }

        await client.CallAsync($"image {name}", async () =>
        {
            try
            {
                await client.Images.CreateAsync(new CreateImageRequest { Image = image }, _headers, cancellationToken: cancellationToken);
            }
            catch (RpcException e) when (e.StatusCode == StatusCode.AlreadyExists)
            {
                await client.Images.UpdateAsync(new UpdateImageRequest { Image = image }, _headers, cancellationToken: cancellationToken);
            }

            return true;
        });
    }

    /// <summary>Sets labels of a content of the namespace.</summary>
    public Task SetLabelsAsync(Digest digest, IReadOnlyDictionary<string, string> labels, CancellationToken cancellationToken) =>
        client.CallAsync($"labels of {digest}", async () =>
        {
            var request = new UpdateRequest { Info = new Info { Digest = digest.ToString() }, UpdateMask = new FieldMask() };
            foreach ((string key, string value) in labels)
            {
                request.Info.Labels[key] = value;
                request.UpdateMask.Paths.Add("labels." + key);
            }

            return labels.Count == 0 ? null : await client.Content.UpdateAsync(request, _headers, cancellationToken: cancellationToken);
        });

    /// <summary>
    /// Adds a content of this daemon to the namespace. When a write is opened, containerd's metadata layer calls Info of this daemon; if
    /// the content is there, the layer adds it to the namespace and answers "already exists".
    /// </summary>
    public Task<bool> AdoptAsync(OciDescriptor descriptor, CancellationToken cancellationToken) =>
        client.CallThroughAsync($"content {descriptor.Digest}", async () =>
        {
            using AsyncDuplexStreamingCall<WriteContentRequest, WriteContentResponse> write =
                client.Content.Write(_headers, cancellationToken: cancellationToken);
            try
            {
                await write.RequestStream.WriteAsync(
                    new WriteContentRequest
                    {
                        Action = WriteAction.Stat,
                        Ref = $"ipcs-{descriptor.Digest}",
                        Total = descriptor.Size,
                        Expected = descriptor.Digest.ToString(),
                    },
                    cancellationToken);
                if (await write.ResponseStream.MoveNext(cancellationToken) && write.ResponseStream.Current.Offset == descriptor.Size)
                {
                    // The metadata layer has found the content in its backend: a commit without data adds it to the namespace.
                    await write.RequestStream.WriteAsync(
                        new WriteContentRequest
                        {
                            Action = WriteAction.Commit,
                            Total = descriptor.Size,
                            Offset = descriptor.Size,
                            Expected = descriptor.Digest.ToString(),
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

            throw new ContainerdException(
                $"containerd at {client.Address} does not find {descriptor.Digest} in this daemon: "
                + "check that ipcs is its content store and that its content sharing policy is shared");
        }, cancellationToken);

    internal static TypedDescriptor ToDescriptor(OciDescriptor descriptor) =>
        new() { MediaType = descriptor.MediaType, Digest = descriptor.Digest.ToString(), Size = descriptor.Size };

    private Task LabelAsync(OciDescriptor descriptor, byte[] bytes, string? platform, CancellationToken cancellationToken)
    {
        var labels = new Dictionary<string, string>(StringComparer.Ordinal);
        JsonObject document = ImageGraph.ParseDocument(bytes, descriptor.Digest);
        int layer = 0, manifest = 0;
        foreach (OciDescriptor child in ImageGraph.Children(document, platform))
        {
            string key = document["manifests"] is JsonArray ? $"m.{manifest++}"
                : child.Digest.ToString() == (string?)document["config"]?["digest"] ? "config"
                : $"l.{layer++}";
            labels[$"containerd.io/gc.ref.content.{key}"] = child.Digest.ToString();
        }

        return SetLabelsAsync(descriptor.Digest, labels, cancellationToken);
    }
}
