using Ipcs.Blockstore;
using Ipcs.Dag;
using Ipcs.Dag.Read;
using Ipcs.Multiformats;

namespace Ipcs.Oci.Sources;

/// <summary>Reads contents that the store has completely from the store, and all others from another source.</summary>
public sealed class LocalFirstSource(IImageSource inner, IStore store) : IImageSource
{
    /// <inheritdoc/>
    public Task<Descriptor> ResolveAsync(CancellationToken cancellationToken) => inner.ResolveAsync(cancellationToken);

    /// <inheritdoc/>
    public async Task<Stream> OpenAsync(Descriptor descriptor, CancellationToken cancellationToken)
    {
        if (store.Contents.Get(descriptor.Digest) is { Complete: true } here && here.Size == descriptor.Size)
        {
            DagReader reader;
            try
            {
                reader = await DagReader.OpenAsync(here.Root, new LocalBlockSource(store.Blocks), cancellationToken);
            }
            catch (Exception e) when (e is BlockNotFoundException or DagFormatException)
            {
                // The store lost blocks of this content: it is read from the source.
                return await inner.OpenAsync(descriptor, cancellationToken);
            }

            // The digest of a dag content is that of its root block, so its blocks verify it. The bytes of a blob are hashed.
            var bytes = new DagStream(reader, descriptor.Digest);
            return here.Kind == ContentKind.Dag ? bytes : new VerifyingStream(bytes, descriptor);
        }

        return await inner.OpenAsync(descriptor, cancellationToken);
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => inner.DisposeAsync();

    private sealed class DagStream(DagReader reader, Digest digest) : ForwardStream
    {
        private long _offset;

        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            try
            {
                int n = await reader.ReadAsync(_offset, buffer, cancellationToken);
                _offset += n;
                return n;
            }
            catch (Exception e) when (e is BlockNotFoundException or DagFormatException)
            {
                throw new ImageSourceException($"{digest}: {e.Message}", e);
            }
        }

        protected override void Dispose(bool disposing)
        {
            if (disposing)
            {
                reader.Dispose();
            }

            base.Dispose(disposing);
        }
    }
}
