using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Ipcs.Blockstore.Posix;

namespace Ipcs.CommandLine;

/// <summary>A client of the control API of a running daemon.</summary>
public sealed class ApiClient : IDisposable
{
    private const int CopyLength = 1 << 18;

    private readonly HttpClient _http;

    /// <summary>Creates a client that is not connected.</summary>
    /// <param name="socket">The path of the control socket.</param>
    /// <exception cref="CommandException">The path can't be that of a socket.</exception>
    public ApiClient(string socket)
    {
        UnixDomainSocketEndPoint address;
        try
        {
            address = new UnixDomainSocketEndPoint(socket);
        }
        catch (ArgumentException)
        {
            throw new CommandException($"'{socket}' is no path of a socket, which has 1 to 107 bytes");
        }

        Socket = socket;
        _http = new HttpClient(new SocketsHttpHandler
        {
            ConnectCallback = async (_, cancellationToken) =>
            {
                var connection = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
                SocketBuffers.Enlarge(connection);
                try
                {
                    await connection.ConnectAsync(address, cancellationToken);
                    return new NetworkStream(connection, ownsSocket: true);
                }
                catch
                {
                    connection.Dispose();
                    throw;
                }
            },
            ResponseHeaderEncodingSelector = (_, _) => Encoding.UTF8,
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
        using StreamReader reader = new(await SendAsync(path, query, body, cancellationToken));
        return Parse(await reader.ReadToEndAsync(cancellationToken));
    }

    /// <summary>Calls a command whose response is one JSON document per line. Throws an error that is the last line.</summary>
    public async IAsyncEnumerable<JsonNode> LinesAsync(
        string path,
        IEnumerable<KeyValuePair<string, string>> query,
        HttpContent? body,
        [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellationToken)
    {
        using StreamReader reader = new(await SendAsync(path, query, body, cancellationToken));
        while (await reader.ReadLineAsync(cancellationToken) is { } line)
        {
            JsonNode document = Parse(line);
            if ((document as JsonObject)?["Type"] is JsonValue type && type.TryGetValue(out string? word) && word == "error")
            {
                throw new CommandException(document["Message"]?.ToString() ?? "the daemon sent an error without a message");
            }

            yield return document;
        }
    }

    /// <summary>Calls a command whose response is bytes, and copies them to <paramref name="output"/>.</summary>
    public async Task CopyAsync(
        string path, IEnumerable<KeyValuePair<string, string>> query, Stream output, TimeProvider time, CancellationToken cancellationToken)
    {
        await using ResponseStream body = await SendAsync(path, query, body: null, cancellationToken);
        using var progress = new TransferDisplay(time, body.Expected);
        byte[] buffer = new byte[CopyLength];
        for (int n; (n = await body.ReadAsync(buffer, cancellationToken)) > 0;)
        {
            await output.WriteAsync(buffer.AsMemory(0, n), cancellationToken);
            progress.Add(n);
        }
    }

    /// <summary>Calls a command whose response is bytes. The caller disposes the stream.</summary>
    public async Task<Stream> OpenAsync(
        string path, IEnumerable<KeyValuePair<string, string>> query, CancellationToken cancellationToken) =>
        await SendAsync(path, query, body: null, cancellationToken);

    /// <summary>Calls a command whose response is bytes, and passes their stream to <paramref name="read"/>.</summary>
    public async Task ReadAsync(
        string path, IEnumerable<KeyValuePair<string, string>> query, Func<Stream, Task> read, CancellationToken cancellationToken)
    {
        await using Stream body = await SendAsync(path, query, body: null, cancellationToken);
        await read(body);
    }

    /// <inheritdoc/>
    public void Dispose() => _http.Dispose();

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

    private static string Describe(SocketException e) => e.SocketErrorCode switch
    {
        // What the runtime makes of ENOENT.
        SocketError.AddressNotAvailable => "there is no such socket",
        _ => e.Message,
    };

    /// <summary>The error of a response whose status is one.</summary>
    private static async Task<CommandException> ErrorOfAsync(HttpStatusCode status, Stream body, CancellationToken cancellationToken)
    {
        using var reader = new StreamReader(body);
        string text = await reader.ReadToEndAsync(cancellationToken);
        string message = (text.Length > 0 ? Parse(text) as JsonObject : null)?["Message"] is JsonValue value
            && value.TryGetValue(out string? given)
            ? given
            : $"the daemon answered with status {(int)status}";
        return status is HttpStatusCode.NotFound or HttpStatusCode.NotImplemented
            ? new UnsupportedCommandException(message)
            : new CommandException(message);
    }

    /// <summary>Sends a request. Returns the body of its response.</summary>
    private async Task<ResponseStream> SendAsync(
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
            throw new NoDaemonException($"no daemon at {Socket}: {Describe(socket)}");
        }
        catch (HttpRequestException e)
        {
            // An error of this process while it read the body, such as a file that vanished, is the inner exception.
            throw e.InnerException is CommandException own
                ? new CommandException(own.Message)
                : new CommandException($"the daemon at {Socket} did not answer: {e.GetBaseException().Message}");
        }

        ResponseStream answer = await ResponseStream.OpenAsync(response, cancellationToken);
        return response.IsSuccessStatusCode ? answer : throw await ErrorOfAsync(response.StatusCode, answer, cancellationToken);
    }
}
