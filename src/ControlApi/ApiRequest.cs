using System.Globalization;
using System.Text.Json.Nodes;
using Ipcs.Multiformats;

namespace Ipcs.ControlApi;

/// <summary>
/// A request of Kubo's RPC: a POST with its arguments and options in the query.
/// Spec: https://docs.ipfs.tech/reference/kubo/rpc/.
/// </summary>
internal readonly struct ApiRequest(HttpContext context)
{
    /// <summary>The header of a response that is bytes.</summary>
    public const string StreamOutputHeader = "X-Stream-Output";

    /// <summary>The header with the length of a response that is bytes.</summary>
    public const string ContentLengthHeader = "X-Content-Length";

    /// <summary>The header of a response that is JSON lines.</summary>
    public const string ChunkedOutputHeader = "X-Chunked-Output";

    /// <summary>The most arguments of a command that takes several. A request line has no room for many more CIDs.</summary>
    private const int MaxArgs = 256;

    /// <summary>Cancelled when the client disconnects or the daemon stops.</summary>
    public CancellationToken Aborted => context.RequestAborted;

    /// <summary>The request's body.</summary>
    public Stream Body => context.Request.Body;

    /// <summary>ASP.NET's context of the request.</summary>
    public HttpContext Context => context;

    /// <summary>An <c>arg</c>, counted from 0.</summary>
    /// <exception cref="ApiException">Status 400: the request has no such argument.</exception>
    public string Arg(int index, string what)
    {
        var args = context.Request.Query["arg"];
        return args.Count > index && args[index] is { Length: > 0 } arg ? arg : throw ApiException.Bad($"argument \"{what}\" is required");
    }

    /// <summary>An <c>arg</c>, counted from 0; null when there is none.</summary>
    public string? OptionalArg(int index)
    {
        var args = context.Request.Query["arg"];
        return args.Count > index && args[index] is { Length: > 0 } arg ? arg : null;
    }

    /// <summary>An option; null when it is not given.</summary>
    public string? Option(string name) => context.Request.Query[name] is [{ } value, ..] ? value : null;

    /// <summary>A boolean option. <c>true</c>, <c>1</c> and an empty value are true.</summary>
    public bool Flag(string name, bool fallback = false) => Option(name) switch
    {
        null => fallback,
        "" or "true" or "1" => true,
        "false" or "0" => false,
        var other => throw ApiException.Bad($"option {name}: '{other}' is not true or false"),
    };

    /// <summary>An option whose value is an integer from 0 on; null when it is not given.</summary>
    public long? Number(string name) => Option(name) switch
    {
        null => null,
        var text when long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out long n) => n,
        var other => throw ApiException.Bad($"option {name}: '{other}' is not a number from 0"),
    };

    /// <summary>The number of arguments.</summary>
    /// <exception cref="ApiException">Status 400: there are more than are allowed.</exception>
    public int Args()
    {
        int count = context.Request.Query["arg"].Count;
        return count <= MaxArgs ? count : throw ApiException.Bad($"{count} arguments are more than {MaxArgs}");
    }

    /// <summary>Refuses options that are not implemented and would change the result.</summary>
    public void Refuse(params ReadOnlySpan<string> options)
    {
        foreach (string option in options)
        {
            if (Option(option) is not (null or "false" or "0"))
            {
                throw ApiException.Bad($"option {option} is not supported");
            }
        }
    }

    /// <summary>An argument that is a CID, with or without the prefix <c>ipfs://</c> or <c>/ipfs/</c>.</summary>
    public Cid CidArg(int index)
    {
        string text = Arg(index, "cid");
        string bare = text.StartsWith("/ipfs/", StringComparison.Ordinal) ? text[6..]
            : text.StartsWith("ipfs://", StringComparison.Ordinal) ? text[7..]
            : text;
        return Cid.TryParse(bare, out Cid cid) ? cid : throw ApiException.Bad($"'{text}' is not a CID");
    }

    /// <summary>An argument that is a digest.</summary>
    public Digest DigestArg(int index)
    {
        string text = Arg(index, "digest");
        return Digest.TryParse(text, out Digest digest)
            ? digest
            : throw ApiException.Bad($"'{text}' is not a digest such as sha256:<64 hex digits>");
    }

    /// <summary>
    /// Sends a response of bytes, marked by the header that Kubo's clients look for. With a length, fewer bytes are an error.
    /// </summary>
    public async Task BytesAsync(string contentType, long? length, Func<Stream, Task> write)
    {
        context.Response.ContentType = contentType;
        context.Response.Headers[StreamOutputHeader] = "1";
        if (length is { } known)
        {
            context.Response.Headers[ContentLengthHeader] = known.ToString(CultureInfo.InvariantCulture);
        }

        await using var body = new ResponseBody(context, ResponseBody.DefaultHeld);
        await write(body);
        if (length is { } expected && body.Written != expected)
        {
            throw new InvalidDataException($"the content ended after {body.Written} of {expected} bytes");
        }

        await body.EndAsync(Aborted);
    }

    /// <summary>Begins a response of JSON lines, also of none.</summary>
    public void Lines()
    {
        context.Response.ContentType = "application/json";
        context.Response.Headers[ChunkedOutputHeader] = "1";
    }

    /// <summary>Sends a response of one JSON document.</summary>
    public Task JsonAsync(JsonNode document)
    {
        context.Response.ContentType = "application/json";
        return context.Response.WriteAsync(document.ToJsonString() + "\n", Aborted);
    }

    /// <summary>Sends one line of a response of JSON lines.</summary>
    public async Task LineAsync(JsonNode document)
    {
        if (!context.Response.HasStarted)
        {
            Lines();
        }

        await context.Response.WriteAsync(document.ToJsonString() + "\n", Aborted);
        await context.Response.Body.FlushAsync(Aborted);
    }
}
