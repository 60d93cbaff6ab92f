using Grpc.Core;
using Ipcs.ContentApi.V1;
using Ipcs.Multiformats;
using Ipcs.Node.Containerd.V1;
using Ipcs.Oci;

namespace Ipcs.Node.Containerd;

/// <summary>An image that containerd has, by its name there.</summary>
internal sealed class ContainerdSource(ContainerdClient client, string space, string name) : IImageSource
{
    /// <inheritdoc/>
    public async Task<Oci.Descriptor> ResolveAsync(CancellationToken cancellationToken)
    {
        GetImageResponse answer = await client.CallAsync($"image {name}", async () => await client.Images.GetAsync(
            new GetImageRequest { Name = name }, ContainerdClient.Headers(space), cancellationToken: cancellationToken));
        return new Oci.Descriptor(answer.Image.Target.MediaType, Digest.Parse(answer.Image.Target.Digest), answer.Image.Target.Size);
    }

    /// <inheritdoc/>
    public Task<Stream> OpenAsync(Oci.Descriptor descriptor, CancellationToken cancellationToken) => Task.FromResult<Stream>(new ContentStream(
        client.Content.Read(
            new ReadContentRequest { Digest = descriptor.Digest.ToString() }, ContainerdClient.Headers(space), cancellationToken: cancellationToken),
        descriptor.Digest));

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    private sealed class ContentStream(AsyncServerStreamingCall<ReadContentResponse> call, Digest digest) : Stream
    {
        private ReadOnlyMemory<byte> _left;

        public override bool CanRead => true;

        public override bool CanSeek => false;

        public override bool CanWrite => false;

        public override long Length => throw new NotSupportedException();

        public override long Position
        {
            get => throw new NotSupportedException();
            set => throw new NotSupportedException();
        }

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

        public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
            ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

        public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        public override void Flush()
        {
        }

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

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
