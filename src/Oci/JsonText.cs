using System.Text.Json;
using System.Text.Json.Nodes;

namespace Ipcs.Oci;

/// <summary>Reads JSON that others wrote.</summary>
internal static class JsonText
{
    /// <summary>Deeper JSON is made to break parsers.</summary>
    private const int MaxDepth = 32;

    /// <summary>The document; null for <c>null</c>. Every text in it can be read.</summary>
    /// <exception cref="JsonException">
    /// It is no JSON, too deep, has a name twice in one object, or a text that is none: half of a surrogate pair, or bytes that are no UTF-8.
    /// </exception>
    public static JsonNode? Parse(ReadOnlySpan<byte> json)
    {
        CheckTexts(json);
        return JsonNode.Parse(json, documentOptions: new JsonDocumentOptions { MaxDepth = MaxDepth, AllowDuplicateProperties = false });
    }

    /// <summary>The parser lets texts through that nobody can read, whose reader would then throw something else.</summary>
    private static void CheckTexts(ReadOnlySpan<byte> json)
    {
        var reader = new Utf8JsonReader(json, new JsonReaderOptions { MaxDepth = MaxDepth });
        try
        {
            while (reader.Read())
            {
                if (reader.TokenType is JsonTokenType.String or JsonTokenType.PropertyName)
                {
                    _ = reader.GetString();
                }
            }
        }
        catch (InvalidOperationException e)
        {
            throw new JsonException(e.Message, e);
        }
    }
}
