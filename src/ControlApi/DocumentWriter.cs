using System.Text;

namespace Ipcs.ControlApi;

/// <summary>
/// Sends one JSON document in pieces, since a directory may be too large for the memory. Up to <see cref="MaxBuffered"/> characters are
/// kept back, so that an error before them is still the whole response; after them it closes the connection.
/// </summary>
internal sealed class DocumentWriter(ApiRequest request)
{
    /// <summary>The most characters in memory, and those of one piece.</summary>
    internal const int MaxBuffered = 1 << 20;

    private readonly StringBuilder _pending = new();

    /// <summary>Adds a piece of the document.</summary>
    public async Task AddAsync(string text)
    {
        _pending.Append(text);
        if (_pending.Length > MaxBuffered)
        {
            await EndAsync();
        }
    }

    /// <summary>Sends what is kept back: after the last piece, all of it.</summary>
    public async Task EndAsync()
    {
        HttpResponse response = request.Context.Response;
        if (!response.HasStarted)
        {
            response.ContentType = "application/json";
        }

        string text = _pending.ToString();
        _pending.Clear();
        await response.WriteAsync(text, request.Aborted);
    }
}
