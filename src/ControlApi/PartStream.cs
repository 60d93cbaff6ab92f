using Ipcs.Oci.Sources;

namespace Ipcs.ControlApi;

/// <summary>
/// The body of a part of a multipart request. One that ends without a boundary is the client's error. Does not own the stream below it.
/// </summary>
internal sealed class PartStream(Stream body) : ForwardStream
{
    /// <inheritdoc/>
    /// <exception cref="ApiException">Status 400: the body ends too early.</exception>
    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        try
        {
            return await body.ReadAsync(buffer, cancellationToken);
        }
        catch (Exception e) when (Multipart.IsMalformed(e))
        {
            throw Multipart.Malformed(e);
        }
    }
}
