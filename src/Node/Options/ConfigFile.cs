using System.Globalization;
using System.Text;
using System.Text.Json.Nodes;
using Tomlyn;
using Tomlyn.Model;
using Tomlyn.Parsing;
using Tomlyn.Serialization;

namespace Ipcs.Node.Options;

/// <summary>Reads and writes the config file: TOML with one key per setting.</summary>
internal static class ConfigFile
{
    /// <summary>The longest config file, in bytes. A longer one is another file by mistake.</summary>
    private const int MaxLength = 1 << 20;

    /// <summary>Reads the keys and their values.</summary>
    /// <exception cref="OptionsException">The file can't be read, is not TOML, or has a value of a type that no setting has.</exception>
    public static IReadOnlyList<KeyValuePair<string, IReadOnlyList<string>>> Read(string file)
    {
        string text = SmallFile.ReadText(file, MaxLength);
        TomlTable table;
        try
        {
            // The deserializer takes the last value of a duplicate key; the parser refuses it, with the key and the line.
            SyntaxParser.ParseStrict(text);
            table = TomlSerializer.Deserialize(text, ConfigToml.Default.TomlTable) ?? [];
        }
        catch (TomlException e)
        {
            throw new OptionsException($"{file}: {e.Message}");
        }
        catch (ArgumentOutOfRangeException)
        {
            // The parser throws it instead of a TomlException when the file ends inside an escape.
            throw new OptionsException($"{file}: not valid TOML: an escape sequence is cut off");
        }

        var pairs = new List<KeyValuePair<string, IReadOnlyList<string>>>();
        foreach ((string key, object value) in table)
        {
            pairs.Add(KeyValuePair.Create<string, IReadOnlyList<string>>(
                key, value is TomlArray array ? [.. array.Select(v => Text(file, key, v))] : [Text(file, key, value)]));
        }

        return pairs;
    }

    /// <summary>The options as a JSON object; a setting without a value is left out.</summary>
    public static JsonObject Document(NodeOptions options)
    {
        var document = new JsonObject();
        foreach (Setting setting in Setting.All)
        {
            if (setting.Show(options) is { } value)
            {
                document[setting.Name] = value;
            }
        }

        return document;
    }

    /// <summary>Converts the object of <see cref="Document"/> to TOML that <see cref="Read"/> reads.</summary>
    public static string ToToml(JsonObject document)
    {
        var toml = new StringBuilder();
        foreach ((string key, JsonNode? value) in document)
        {
            toml.Append(key).Append(" = ");
            if (value is JsonArray array)
            {
                toml.Append('[').AppendJoin(", ", array.Select(Literal)).Append(']');
            }
            else
            {
                toml.Append(Literal(value));
            }

            toml.Append('\n');
        }

        return toml.ToString();
    }

    private static string Literal(JsonNode? value) =>
        value!.GetValueKind() == System.Text.Json.JsonValueKind.String ? Quote(value.GetValue<string>()) : value.ToJsonString();

    // Spec: https://toml.io/en/v1.0.0#string: a basic string escapes the quote, the backslash and control characters.
    private static string Quote(string text)
    {
        var quoted = new StringBuilder("\"");
        foreach (char c in text)
        {
            if (c is '"' or '\\')
            {
                quoted.Append('\\').Append(c);
            }
            else if (char.IsControl(c))
            {
                quoted.Append(CultureInfo.InvariantCulture, $"\\u{(int)c:X4}");
            }
            else
            {
                quoted.Append(c);
            }
        }

        return quoted.Append('"').ToString();
    }

    private static string Text(string file, string key, object? value) => value switch
    {
        string s => s,
        long n => n.ToString(CultureInfo.InvariantCulture),
        bool b => b ? "on" : "off",
        _ => throw new OptionsException($"{file}: {key} takes a string, a number, or a list of strings"),
    };
}

/// <summary>Deserializes TOML without reflection.</summary>
[TomlSerializable(typeof(TomlTable))]
internal sealed partial class ConfigToml : TomlSerializerContext;
