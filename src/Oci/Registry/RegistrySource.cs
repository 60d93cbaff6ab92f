using System.Security.Cryptography;
using Ipcs.Multiformats;
using Ipcs.Oci.Sources;

namespace Ipcs.Oci.Registry;

/// <summary>An image in a registry.</summary>
internal sealed class RegistrySource(Reference reference, RegistryOptions options) : IImageSource
{
    private readonly RegistryClient _client = new(reference, options);

    /// <inheritdoc/>
    public async Task<Descriptor> ResolveAsync(CancellationToken cancellationToken)
    {
        using HttpResponseMessage response = await _client.GetAsync(
            "manifests/" + reference.Target, range: null, resolving: reference.Digest is null, cancellationToken);
        string mediaType = response.Content.Headers.ContentType?.MediaType ?? "";
        if (mediaType.StartsWith(MediaTypes.DockerSchema1, StringComparison.Ordinal))
        {
            throw ImageGraph.SchemaOne(reference.ToString());
        }

        byte[] document = await RegistryClient.ReadAsync(
            response, ImageGraph.MaxDocument, options, $"the manifest of {reference}", cancellationToken);
        Digest digest = reference.Digest ?? Digest.Sha256(document);
        Multihash expected = digest.Hash;
        if (!CryptographicOperations.HashData(VerifyingStream.AlgorithmOf(digest), document).AsSpan().SequenceEqual(expected.Digest))
        {
            throw new ImageSourceException($"{reference}: the manifest does not match its digest");
        }

        Descriptor named = ImageGraph.TargetDescriptor(document, digest, document.Length);
        return mediaType is MediaTypes.OciIndex or MediaTypes.OciManifest or MediaTypes.DockerList or MediaTypes.DockerManifest
            ? named with { MediaType = mediaType }
            : named;
    }

    /// <inheritdoc/>
    public Task<Stream> OpenAsync(Descriptor descriptor, CancellationToken cancellationToken)
    {
        // Manifests of unknown media types are below manifests/ too.
        bool manifest = descriptor.IsIndex || descriptor.IsManifest
            || descriptor.MediaType.Contains(".manifest.", StringComparison.Ordinal);
        string path = $"{(manifest ? "manifests" : "blobs")}/{descriptor.Digest}";
        return Task.FromResult<Stream>(new VerifyingStream(new BlobStream(_client, path, descriptor, options), descriptor));
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync()
    {
        _client.Dispose();
        return ValueTask.CompletedTask;
    }
}
