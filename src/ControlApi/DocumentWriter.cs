using System.Text;

namespace Ipcs.ControlApi;

/// <summary>
/// Sends one JSON document in pieces, since a directory may be too large for the memory. Up to <see cref="MaxBuffered"/> bytes are kept
/// back, so that an error before them is still the whole response; after them it is a trailer (<see cref="ResponseBody"/>).
/// </summary>
internal sealed class DocumentWriter : IAsyncDisposable
{
    /// <summary>The most bytes in memory, and those of one piece.</summary>
    internal const int MaxBuffered = 1 << 20;

    private readonly ApiRequest _request;
    private readonly ResponseBody _body;

    public DocumentWriter(ApiRequest request)
    {
        request.Context.Response.ContentType = "application/json";
        _request = request;
        _body = new ResponseBody(request.Context, MaxBuffered);
    }

    /// <summary>Adds a piece of the document.</summary>
    public ValueTask AddAsync(string text) => _body.WriteAsync(Encoding.UTF8.GetBytes(text), _request.Aborted);

    /// <summary>Sends what is kept back, after the last piece.</summary>
    public Task EndAsync() => _body.EndAsync(_request.Aborted);

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => _body.DisposeAsync();
}
