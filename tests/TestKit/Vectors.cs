using System.Text.Json;

namespace Ipcs.TestKit;

/// <summary>The golden vectors of tests/vectors, made by other implementations.</summary>
public static class Vectors
{
    /// <summary>Loads a file of tests/vectors by name, such as <c>cid-vectors.json</c>.</summary>
    public static JsonElement Load(string file)
    {
        using Stream stream = Open(file);
        using JsonDocument document = JsonDocument.Parse(stream);
        return document.RootElement.Clone();
    }

    /// <summary>Opens a file of tests/vectors by name.</summary>
    public static Stream Open(string file) =>
        typeof(Vectors).Assembly.GetManifestResourceStream(file) ?? throw new FileNotFoundException(file);

    /// <summary>The bytes of a hex string property; null when it is absent or null.</summary>
    public static byte[]? Hex(this JsonElement element, string property) =>
        element.TryGetProperty(property, out JsonElement value) && value.ValueKind == JsonValueKind.String
            ? Convert.FromHexString(value.GetString()!)
            : null;

    /// <summary>The text of a string property; null when it is absent or null.</summary>
    public static string? Text(this JsonElement element, string property) =>
        element.TryGetProperty(property, out JsonElement value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;
}
