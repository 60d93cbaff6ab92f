using System.Net.Sockets;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Ipcs.Node.CommandLine;

/// <summary>A command failed; its message is the one line on stderr.</summary>
internal sealed class CommandException(string message) : Exception(message);

/// <summary>Speaks to a running daemon over its control socket.</summary>
internal sealed class ApiClient : IDisposable
{
    private readonly HttpClient _http;
    private readonly string _socket;

    public ApiClient(string socket)
    {
        _socket = socket;
        _http = new HttpClient(new SocketsHttpHandler
        {
            ConnectCallback = async (_, cancellationToken) =>
            {
                var connection = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
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
            if (document["Type"]?.GetValue<string>() == "error")
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
        try
        {
            await response.Content.CopyToAsync(output, cancellationToken);
        }
        catch (Exception e) when (e is HttpRequestException or IOException)
        {
            throw new CommandException($"{path}: the answer broke off: {e.Message}");
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _http.Dispose();

    private static async Task<string?> ReadLineAsync(StreamReader reader, CancellationToken cancellationToken)
    {
        try
        {
            return await reader.ReadLineAsync(cancellationToken);
        }
        catch (Exception e) when (e is HttpRequestException or IOException)
        {
            throw new CommandException($"the daemon's answer broke off: {e.Message}");
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
        HttpResponseMessage response;
        try
        {
            response = await _http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellationToken);
        }
        catch (HttpRequestException e) when (e.InnerException is SocketException socket)
        {
            throw new CommandException($"no daemon at {_socket}: {socket.Message}");
        }
        catch (HttpRequestException e)
        {
            throw new CommandException($"the daemon at {_socket} did not answer: {e.Message}");
        }

        if (response.IsSuccessStatusCode)
        {
            return response;
        }

        using (response)
        {
            string text = await response.Content.ReadAsStringAsync(cancellationToken);
            JsonNode document = await ParseAsync(text.Length > 0 ? text : "{}");
            throw new CommandException(document["Message"]?.GetValue<string>() ?? $"the daemon answered {(int)response.StatusCode}");
        }
    }
}
