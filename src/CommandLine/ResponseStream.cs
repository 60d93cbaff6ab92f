using Ipcs.Oci.Sources;

namespace Ipcs.CommandLine;

/// <summary>An answer of the daemon whose breaking off is a <see cref="CommandException"/>. Owns the stream below it.</summary>
internal sealed class ResponseStream(Stream answer) : ForwardStream
{
    /// <summary>What the user is told when an answer broke off.</summary>
    public static string Broke(Exception e) => $"the daemon's answer broke off: {e.Message}";

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        try
        {
            return await answer.ReadAsync(buffer, cancellationToken);
        }
        catch (Exception e) when (e is HttpRequestException or IOException)
        {
            throw new CommandException(Broke(e));
        }
    }

    public override int Read(Span<byte> buffer)
    {
        try
        {
            return answer.Read(buffer);
        }
        catch (Exception e) when (e is HttpRequestException or IOException)
        {
            throw new CommandException(Broke(e));
        }
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            answer.Dispose();
        }

        base.Dispose(disposing);
    }
}
