using System.Text.Json;
using System.Text.Json.Nodes;

namespace Ipcs.Oci;

/// <summary>Parses JSON from untrusted sources.</summary>
internal static class JsonText
{
    /// <summary>The deepest nesting accepted. No document of an image needs more.</summary>
    private const int MaxDepth = 32;

    /// <summary>Parses a document; null for <c>null</c>. Every string in it can be read.</summary>
    /// <exception cref="JsonException"> The text is not JSON, is nested too deeply, or has a duplicate property or an invalid string
    /// (half of a surrogate pair, or no UTF-8). </exception>
    public static JsonNode? Parse(ReadOnlySpan<byte> json)
    {
        CheckStrings(json);
        return JsonNode.Parse(json, documentOptions: new JsonDocumentOptions { MaxDepth = MaxDepth, AllowDuplicateProperties = false });
    }

    /// <summary>JsonNode accepts invalid strings and throws InvalidOperationException only when they are read.</summary>
    private static void CheckStrings(ReadOnlySpan<byte> json)
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
