using System.Globalization;
using Tomlyn;
using Tomlyn.Model;
using Tomlyn.Serialization;

namespace Ipcs.Node.Options;

/// <summary>A value of the config file, the environment or the command line that can't be used; the message names it.</summary>
internal sealed class OptionsException(string message) : Exception(message);

/// <summary>Reads the config file with no reflection.</summary>
[TomlSerializable(typeof(TomlTable))]
internal sealed partial class ConfigToml : TomlSerializerContext;

/// <summary>Lays the config file, the environment and the flags over the defaults, in rising precedence.</summary>
internal static class OptionsLoader
{
    /// <summary>The most that a config file may hold, in bytes: more is another file by mistake.</summary>
    private const int MaxConfigLength = 1 << 20;

    /// <summary>Loads the options.</summary>
    /// <param name="configFile">The file that <c>--config</c> names; null for none.</param>
    /// <param name="environment">Reads a variable; null when it is not set.</param>
    /// <param name="flags">The values given for each flag, by its name without dashes.</param>
    /// <exception cref="OptionsException">A key is unknown or a value is bad.</exception>
    public static NodeOptions Load(string? configFile, Func<string, string?> environment, IReadOnlyDictionary<string, IReadOnlyList<string>> flags)
    {
        var options = new NodeOptions();
        if (configFile is not null)
        {
            foreach ((string key, IReadOnlyList<string> values) in ReadToml(configFile))
            {
                Setting setting = Setting.All.FirstOrDefault(s => s.Name == key)
                    ?? throw new OptionsException($"{configFile}: unknown key '{key}'");
                Apply(setting, options, values, $"{configFile}: {key}");
            }
        }

        foreach (Setting setting in Setting.All)
        {
            if (environment(setting.Variable) is { Length: > 0 } value)
            {
                string[] values = setting.Multiple ? value.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries) : [value];
                Apply(setting, options, values, setting.Variable);
            }

            if (flags.TryGetValue(setting.Name, out IReadOnlyList<string>? given) && given.Count > 0)
            {
                Apply(setting, options, given, "--" + setting.Name);
            }
        }

        return options;
    }

    private static void Apply(Setting setting, NodeOptions options, IReadOnlyList<string> values, string where)
    {
        try
        {
            setting.Apply(options, values);
        }
        catch (FormatException e)
        {
            throw new OptionsException($"{where}: {e.Message}");
        }
    }

    private static List<(string Key, IReadOnlyList<string> Values)> ReadToml(string file)
    {
        TomlTable table;
        try
        {
            if (new FileInfo(file).Length > MaxConfigLength)
            {
                throw new OptionsException($"{file}: longer than {MaxConfigLength} bytes");
            }

            table = TomlSerializer.Deserialize(File.ReadAllText(file), ConfigToml.Default.TomlTable) ?? [];
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or TomlException)
        {
            throw new OptionsException($"{file}: {e.Message}");
        }

        var pairs = new List<(string, IReadOnlyList<string>)>();
        foreach ((string key, object value) in table)
        {
            pairs.Add((key, value is TomlArray array ? [.. array.Select(v => Text(file, key, v))] : [Text(file, key, value)]));
        }

        return pairs;
    }

    private static string Text(string file, string key, object? value) => value switch
    {
        string s => s,
        long n => n.ToString(CultureInfo.InvariantCulture),
        bool b => b ? "on" : "off",
        _ => throw new OptionsException($"{file}: {key} takes a string, a number, or a list of strings"),
    };
}
