using System.Globalization;
using System.Text.Json.Nodes;
using Ipcs.Multiformats;

namespace Ipcs.ControlApi;

/// <summary>
/// A request in the shape of Kubo's RPC: a POST whose arguments and options are in the query.
/// Spec: https://docs.ipfs.tech/reference/kubo/rpc/.
/// </summary>
internal readonly struct ApiRequest(HttpContext context)
{
    /// <summary>The most arguments of a command that takes several; a request line has no room for many more CIDs.</summary>
    private const int MaxArgs = 256;

    /// <summary>Ends when the client goes or the daemon stops.</summary>
    public CancellationToken Aborted => context.RequestAborted;

    /// <summary>The body.</summary>
    public Stream Body => context.Request.Body;

    /// <summary>The request as ASP.NET has it.</summary>
    public HttpContext Context => context;

    /// <summary>The n-th <c>arg</c>.</summary>
    public string Arg(int index, string what)
    {
        var args = context.Request.Query["arg"];
        return args.Count > index && args[index] is { Length: > 0 } arg ? arg : throw ApiException.Bad($"argument \"{what}\" is required");
    }

    /// <summary>The n-th <c>arg</c>; null when there is none.</summary>
    public string? OptionalArg(int index)
    {
        var args = context.Request.Query["arg"];
        return args.Count > index && args[index] is { Length: > 0 } arg ? arg : null;
    }

    /// <summary>An option; null when it is not given.</summary>
    public string? Option(string name) => context.Request.Query[name] is [{ } value, ..] ? value : null;

    /// <summary>A boolean option: <c>true</c>, <c>1</c> or nothing after the name is true.</summary>
    public bool Flag(string name, bool fallback = false) => Option(name) switch
    {
        null => fallback,
        "" or "true" or "1" => true,
        "false" or "0" => false,
        var other => throw ApiException.Bad($"option {name}: '{other}' is not true or false"),
    };

    /// <summary>A non-negative number option; null when it is not given.</summary>
    public long? Number(string name) => Option(name) switch
    {
        null => null,
        var text when long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out long n) => n,
        var other => throw ApiException.Bad($"option {name}: '{other}' is not a number from 0"),
    };

    /// <summary>How many arguments there are, up to the most that are taken.</summary>
    public int Args()
    {
        int count = context.Request.Query["arg"].Count;
        return count <= MaxArgs ? count : throw ApiException.Bad($"{count} arguments are more than {MaxArgs}");
    }

    /// <summary>Refuses options whose results would be others than asked for.</summary>
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

    /// <summary>An argument that is a CID, <c>ipfs://</c> and <c>/ipfs/</c> in front allowed.</summary>
    public Cid CidArg(int index)
    {
        string text = Arg(index, "cid");
        string bare = text.StartsWith("/ipfs/", StringComparison.Ordinal) ? text[6..] : text.StartsWith("ipfs://", StringComparison.Ordinal) ? text[7..] : text;
        return Cid.TryParse(bare, out Cid cid) ? cid : throw ApiException.Bad($"'{text}' is not a CID");
    }

    /// <summary>An argument that is a digest.</summary>
    public Digest DigestArg(int index)
    {
        string text = Arg(index, "digest");
        return Digest.TryParse(text, out Digest digest) ? digest : throw ApiException.Bad($"'{text}' is not a digest such as sha256:<64 hex digits>");
    }

    /// <summary>Begins an answer of bytes, with the header by which Kubo's clients know one.</summary>
    public Stream Bytes(string contentType, long? length = null)
    {
        context.Response.ContentType = contentType;
        context.Response.Headers["X-Stream-Output"] = "1";
        if (length is { } known)
        {
            context.Response.ContentLength = known;
            context.Response.Headers["X-Content-Length"] = known.ToString(CultureInfo.InvariantCulture);
        }

        return context.Response.Body;
    }

    /// <summary>Begins an answer of JSON lines, which may stay without any.</summary>
    public void Lines()
    {
        context.Response.ContentType = "application/json";
        context.Response.Headers["X-Chunked-Output"] = "1";
    }

    /// <summary>Answers with one JSON document.</summary>
    public Task JsonAsync(JsonNode document)
    {
        context.Response.ContentType = "application/json";
        return context.Response.WriteAsync(document.ToJsonString() + "\n", Aborted);
    }

    /// <summary>Writes one of many JSON documents, a line each, and sends it off.</summary>
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
