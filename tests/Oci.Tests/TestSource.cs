using Ipcs.Oci.Sources;

namespace Ipcs.Oci.Tests;

/// <summary>An image in memory that counts the contents opened.</summary>
internal sealed class TestSource(TestImage image) : IImageSource
{
    private int _opened;

    public int Opened => _opened;

    public Task<Descriptor> ResolveAsync(CancellationToken cancellationToken) => Task.FromResult(image.Target);

    public Task<Stream> OpenAsync(Descriptor descriptor, CancellationToken cancellationToken)
    {
        Interlocked.Increment(ref _opened);
        return image.Contents.TryGetValue(descriptor.Digest, out byte[]? bytes)
            ? Task.FromResult<Stream>(new VerifyingStream(new MemoryStream(bytes), descriptor))
            : throw new ImageSourceException($"{descriptor.Digest} is not in the image");
    }

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;
}
