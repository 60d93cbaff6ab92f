using System.Net;
using System.Net.Sockets;
using System.Text.Json;
using System.Text.Json.Nodes;
using Ipcs.Blockstore.Posix;

namespace Ipcs.CommandLine;

/// <summary>A client of the control API of a running daemon.</summary>
public sealed class ApiClient : IDisposable
{
    private const int CopyLength = 1 << 18;

    private readonly HttpClient _http;

    public ApiClient(string socket)
    {
        Socket = socket;
        _http = new HttpClient(new SocketsHttpHandler
        {
            ConnectCallback = async (_, cancellationToken) =>
            {
                var connection = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
                SocketBuffers.Enlarge(connection);
                try
                {
                    await connection.ConnectAsync(new UnixDomainSocketEndPoint(socket), cancellationToken);
                    return new NetworkStream(connection, ownsSocket: true);
                }
                catch
                {
                    connection.Dispose();
                    throw;
                }
            },
        })
        {
            BaseAddress = new Uri("http://ipcs/api/v0/"),
            Timeout = Timeout.InfiniteTimeSpan,
        };
    }

    /// <summary>The path of the control socket.</summary>
    public string Socket { get; }

    /// <summary>Calls a command whose response is one JSON document.</summary>
    /// <exception cref="CommandException">The daemon did not answer, or answered with an error.</exception>
    public async Task<JsonNode> CallAsync(
        string path, IEnumerable<KeyValuePair<string, string>> query, CancellationToken cancellationToken, HttpContent? body = null)
    {
        using HttpResponseMessage response = await SendAsync(path, query, body, cancellationToken);
        return Parse(await ReadTextAsync(response, cancellationToken));
    }

    /// <summary>Calls a command whose response is one JSON document per line. Throws an error that is the last line.</summary>
    public async IAsyncEnumerable<JsonNode> LinesAsync(
        string path,
        IEnumerable<KeyValuePair<string, string>> query,
        HttpContent? body,
        [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellationToken)
    {
        using HttpResponseMessage response = await SendAsync(path, query, body, cancellationToken);
        using var reader = new StreamReader(await response.Content.ReadAsStreamAsync(cancellationToken));
        while (await ReadLineAsync(reader, cancellationToken) is { } line)
        {
            JsonNode document = Parse(line);
            if (document["Type"] is JsonValue type && type.TryGetValue(out string? word) && word == "error")
            {
                throw new CommandException(document["Message"]?.GetValue<string>() ?? "the daemon sent an error without a message");
            }

            yield return document;
        }
    }

    /// <summary>Calls a command whose response is bytes, and copies them to <paramref name="output"/>.</summary>
    public async Task CopyAsync(
        string path, IEnumerable<KeyValuePair<string, string>> query, Stream output, TimeProvider time, CancellationToken cancellationToken)
    {
        using HttpResponseMessage response = await SendAsync(path, query, body: null, cancellationToken);
        await using Stream body = await OpenBodyAsync(response, cancellationToken);
        using var progress = new TransferDisplay(time, response.Content.Headers.ContentLength);
        byte[] buffer = new byte[CopyLength];
        for (int n; (n = await body.ReadAsync(buffer, cancellationToken)) > 0;)
        {
            await output.WriteAsync(buffer.AsMemory(0, n), cancellationToken);
            progress.Add(n);
        }
    }

    /// <summary>Calls a command whose response is bytes. The caller disposes the stream.</summary>
    public async Task<Stream> OpenAsync(string path, IEnumerable<KeyValuePair<string, string>> query, CancellationToken cancellationToken)
    {
        // Disposing the stream also ends the response.
        HttpResponseMessage response = await SendAsync(path, query, body: null, cancellationToken);
        return await OpenBodyAsync(response, cancellationToken);
    }

    /// <summary>Calls a command whose response is bytes, and passes their stream to <paramref name="read"/>.</summary>
    public async Task ReadAsync(
        string path, IEnumerable<KeyValuePair<string, string>> query, Func<Stream, Task> read, CancellationToken cancellationToken)
    {
        using HttpResponseMessage response = await SendAsync(path, query, body: null, cancellationToken);
        await using Stream body = await OpenBodyAsync(response, cancellationToken);
        await read(body);
    }

    /// <inheritdoc/>
    public void Dispose() => _http.Dispose();

    private static async Task<Stream> OpenBodyAsync(HttpResponseMessage response, CancellationToken cancellationToken) =>
        new ResponseStream(await response.Content.ReadAsStreamAsync(cancellationToken));

    private static async Task<string> ReadTextAsync(HttpResponseMessage response, CancellationToken cancellationToken)
    {
        try
        {
            return await response.Content.ReadAsStringAsync(cancellationToken);
        }
        catch (Exception e) when (e is HttpRequestException or IOException)
        {
            throw ResponseStream.CutOff(e);
        }
    }

    private static async Task<string?> ReadLineAsync(StreamReader reader, CancellationToken cancellationToken)
    {
        try
        {
            return await reader.ReadLineAsync(cancellationToken);
        }
        catch (Exception e) when (e is HttpRequestException or IOException)
        {
            throw ResponseStream.CutOff(e);
        }
    }

    private static JsonNode Parse(string text)
    {
        try
        {
            return JsonNode.Parse(text) ?? throw new CommandException("the daemon's response is empty");
        }
        catch (JsonException)
        {
            throw new CommandException($"the daemon's response is not JSON: {text.Trim()}");
        }
    }

    private async Task<HttpResponseMessage> SendAsync(
        string path, IEnumerable<KeyValuePair<string, string>> query, HttpContent? body, CancellationToken cancellationToken)
    {
        string parameters = string.Join('&', query.Select(q => $"{Uri.EscapeDataString(q.Key)}={Uri.EscapeDataString(q.Value)}"));
        var uri = new Uri(parameters.Length > 0 ? $"{path}?{parameters}" : path, UriKind.Relative);
        using var request = new HttpRequestMessage(HttpMethod.Post, uri) { Content = body };

        // The body is sent after the daemon has accepted the head: writing to a connection that it closes would hide its error response.
        request.Headers.ExpectContinue = body is not null;
        HttpResponseMessage response;
        try
        {
            response = await _http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellationToken);
        }
        catch (HttpRequestException e) when (e.InnerException is SocketException socket)
        {
            throw new NoDaemonException($"no daemon at {Socket}: {socket.Message}");
        }
        catch (HttpRequestException e)
        {
            // An error of this process while it read the body, such as a file that vanished, is the inner exception.
            throw e.InnerException is CommandException own
                ? new CommandException(own.Message)
                : new CommandException($"the daemon at {Socket} did not answer: {e.Message}");
        }

        if (response.IsSuccessStatusCode)
        {
            return response;
        }

        using (response)
        {
            string text = await ReadTextAsync(response, cancellationToken);
            JsonNode document = Parse(text.Length > 0 ? text : "{}");
            string message = document["Message"]?.GetValue<string>() ?? $"the daemon answered with status {(int)response.StatusCode}";
            throw response.StatusCode is HttpStatusCode.NotFound or HttpStatusCode.NotImplemented
                ? new UnsupportedCommandException(message)
                : new CommandException(message);
        }
    }
}
