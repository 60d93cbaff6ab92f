using Grpc.Core;
using Ipcs.Multiformats;
using Ipcs.Oci.Containerd.V1;
using Ipcs.Oci.Sources;

namespace Ipcs.Oci.Containerd;

/// <summary>An image in containerd, by its name there.</summary>
public sealed class ContainerdSource(ContainerdClient client, string space, string name) : IImageSource
{
    /// <summary>The labels of the image record, once the image is resolved.</summary>
    public IReadOnlyDictionary<string, string> Labels { get; private set; } = new Dictionary<string, string>(0);

    /// <inheritdoc/>
    public async Task<Oci.Descriptor> ResolveAsync(CancellationToken cancellationToken)
    {
        GetImageResponse answer = await client.CallAsync($"image {name}", async () => await client.Images.GetAsync(
            new GetImageRequest { Name = name }, ContainerdClient.Headers(space), cancellationToken: cancellationToken));
        Labels = answer.Image.Labels.ToDictionary(StringComparer.Ordinal);
        return Digest.TryParse(answer.Image.Target.Digest, out Digest digest)
            ? new Oci.Descriptor(answer.Image.Target.MediaType, digest, answer.Image.Target.Size)
            : throw new ImageSourceException($"containerd's image {name} has the invalid digest '{answer.Image.Target.Digest}'");
    }

    /// <inheritdoc/>
    public Task<Stream> OpenAsync(Oci.Descriptor descriptor, CancellationToken cancellationToken)
    {
        var bytes = new ContentStream(
            client.Content.Read(
                new ReadContentRequest { Digest = descriptor.Digest.ToString() },
                ContainerdClient.Headers(space),
                cancellationToken: cancellationToken),
            descriptor.Digest);
        return Task.FromResult<Stream>(new VerifyingStream(bytes, descriptor));
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    private sealed class ContentStream(AsyncServerStreamingCall<ReadContentResponse> call, Digest digest) : ForwardStream
    {
        private ReadOnlyMemory<byte> _left;

        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            while (_left.IsEmpty)
            {
                try
                {
                    if (!await call.ResponseStream.MoveNext(cancellationToken))
                    {
                        return 0;
                    }
                }
                catch (RpcException e) when (e.StatusCode != StatusCode.Cancelled)
                {
                    throw new ImageSourceException($"{digest}: {e.Status.Detail}", e);
                }

                _left = call.ResponseStream.Current.Data.Memory;
            }

            int n = Math.Min(buffer.Length, _left.Length);
            _left[..n].CopyTo(buffer);
            _left = _left[n..];
            return n;
        }

        protected override void Dispose(bool disposing)
        {
            if (disposing)
            {
                call.Dispose();
            }

            base.Dispose(disposing);
        }
    }
}
