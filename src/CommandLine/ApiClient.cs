using System.Net;
using System.Net.Sockets;
using System.Text.Json;
using System.Text.Json.Nodes;
using Ipcs.Blockstore.Posix;

namespace Ipcs.CommandLine;

/// <summary>Speaks to a running daemon over its control socket.</summary>
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

    /// <summary>Where the daemon is.</summary>
    public string Socket { get; }

    /// <summary>Calls a command whose answer is one JSON document.</summary>
    public async Task<JsonNode> CallAsync(string path, IEnumerable<KeyValuePair<string, string>> query, CancellationToken cancellationToken, HttpContent? body = null)
    {
        using HttpResponseMessage response = await SendAsync(path, query, body, cancellationToken);
        return await ParseAsync(await response.Content.ReadAsStringAsync(cancellationToken));
    }

    /// <summary>Calls a command whose answer is a JSON document per line; an error in the last line is thrown.</summary>
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
            JsonNode document = await ParseAsync(line);
            if (document["Type"] is JsonValue type && type.TryGetValue(out string? word) && word == "error")
            {
                throw new CommandException(document["Message"]?.GetValue<string>() ?? "the daemon failed");
            }

            yield return document;
        }
    }

    /// <summary>Calls a command whose answer is bytes.</summary>
    public async Task CopyAsync(string path, IEnumerable<KeyValuePair<string, string>> query, Stream output, CancellationToken cancellationToken)
    {
        using HttpResponseMessage response = await SendAsync(path, query, body: null, cancellationToken);
        await using Stream answer = Unbroken(await response.Content.ReadAsStreamAsync(cancellationToken));
        using var progress = new TransferDisplay(response.Content.Headers.ContentLength);
        byte[] buffer = new byte[CopyLength];
        for (int n; (n = await answer.ReadAsync(buffer, cancellationToken)) > 0;)
        {
            await output.WriteAsync(buffer.AsMemory(0, n), cancellationToken);
            progress.Add(n);
        }
    }

    /// <summary>Calls a command whose answer is bytes: their stream, which is the caller's.</summary>
    public async Task<Stream> OpenAsync(string path, IEnumerable<KeyValuePair<string, string>> query, CancellationToken cancellationToken)
    {
        // The answer goes with its stream.
        HttpResponseMessage response = await SendAsync(path, query, body: null, cancellationToken);
        return Unbroken(await response.Content.ReadAsStreamAsync(cancellationToken));
    }

    /// <summary>Calls a command whose answer is bytes, and hands their stream to <paramref name="read"/>.</summary>
    public async Task ReadAsync(string path, IEnumerable<KeyValuePair<string, string>> query, Func<Stream, Task> read, CancellationToken cancellationToken)
    {
        using HttpResponseMessage response = await SendAsync(path, query, body: null, cancellationToken);
        await using Stream answer = Unbroken(await response.Content.ReadAsStreamAsync(cancellationToken));
        await read(answer);
    }

    /// <inheritdoc/>
    public void Dispose() => _http.Dispose();

    private static Stream Unbroken(Stream answer) => new ResponseStream(answer);

    private static async Task<string?> ReadLineAsync(StreamReader reader, CancellationToken cancellationToken)
    {
        try
        {
            return await reader.ReadLineAsync(cancellationToken);
        }
        catch (Exception e) when (e is HttpRequestException or IOException)
        {
            throw new CommandException(ResponseStream.Broke(e));
        }
    }

    private static Task<JsonNode> ParseAsync(string text)
    {
        try
        {
            return Task.FromResult(JsonNode.Parse(text) ?? throw new CommandException("the daemon's answer is empty"));
        }
        catch (JsonException)
        {
            throw new CommandException($"the daemon's answer is no JSON: {text.Trim()}");
        }
    }

    private async Task<HttpResponseMessage> SendAsync(string path, IEnumerable<KeyValuePair<string, string>> query, HttpContent? body, CancellationToken cancellationToken)
    {
        string parameters = string.Join('&', query.Select(q => $"{Uri.EscapeDataString(q.Key)}={Uri.EscapeDataString(q.Value)}"));
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(parameters.Length > 0 ? $"{path}?{parameters}" : path, UriKind.Relative)) { Content = body };

        // A body is only sent once the daemon has looked at the rest: what it refuses outright must not be drowned in a broken pipe.
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
            // What went wrong on our side while the body was read (a file that vanished) lies within.
            throw new CommandException(e.InnerException is CommandException own ? own.Message : $"the daemon at {Socket} did not answer: {e.Message}");
        }

        if (response.IsSuccessStatusCode)
        {
            return response;
        }

        using (response)
        {
            string text = await response.Content.ReadAsStringAsync(cancellationToken);
            JsonNode document = await ParseAsync(text.Length > 0 ? text : "{}");
            string message = document["Message"]?.GetValue<string>() ?? $"the daemon answered {(int)response.StatusCode}";
            throw response.StatusCode is HttpStatusCode.NotFound or HttpStatusCode.NotImplemented ? new UnsupportedCommandException(message) : new CommandException(message);
        }
    }
}
