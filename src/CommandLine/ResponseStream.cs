using Ipcs.Oci.Sources;

namespace Ipcs.CommandLine;

/// <summary>The body of a response. One that is cut off is a <see cref="CommandException"/>. Owns the stream below it.</summary>
internal sealed class ResponseStream(Stream body) : ForwardStream
{
    /// <summary>The error of a response that was cut off.</summary>
    public static CommandException CutOff(Exception e) => new($"the daemon's response was cut off: {e.Message}");

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        try
        {
            return await body.ReadAsync(buffer, cancellationToken);
        }
        catch (Exception e) when (e is HttpRequestException or IOException)
        {
            throw CutOff(e);
        }
    }

    public override int Read(Span<byte> buffer)
    {
        try
        {
            return body.Read(buffer);
        }
        catch (Exception e) when (e is HttpRequestException or IOException)
        {
            throw CutOff(e);
        }
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            body.Dispose();
        }

        base.Dispose(disposing);
    }
}
