namespace Ipcs.Node.Options;

/// <summary>Loads the options: flags override the environment, which overrides the config file, which overrides the defaults.</summary>
internal static class OptionsLoader
{
    private const string Prefix = "IPCS_";

    /// <summary>The variable that names the config file when no flag does.</summary>
    public const string ConfigVariable = "IPCS_CONFIG";

    /// <summary>Loads the options.</summary>
    /// <param name="configFile">The file that <c>--config</c> names; null for the file that <see cref="ConfigVariable"/> names, if
    /// any.</param>
    /// <param name="environment">The environment. An empty variable counts as not set.</param>
    /// <param name="flags">The values of each flag that was given, by its name without dashes.</param>
    /// <exception cref="OptionsException">A key is unknown, a variable is misspelt, or a value is invalid.</exception>
    public static NodeOptions Load(
        string? configFile, IReadOnlyDictionary<string, string> environment, IReadOnlyDictionary<string, IReadOnlyList<string>> flags)
    {
        var options = new NodeOptions();
        configFile ??= environment.GetValueOrDefault(ConfigVariable) is { Length: > 0 } named ? named : null;
        if (configFile is not null)
        {
            ApplyFile(configFile, options);
        }

        foreach (Setting setting in Setting.All)
        {
            if (environment.GetValueOrDefault(setting.Variable) is { Length: > 0 } value)
            {
                string[] values = setting.Multiple
                    ? value.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries)
                    : [value];
                Apply(setting, options, values, setting.Variable);
            }

            if (flags.TryGetValue(setting.Name, out IReadOnlyList<string>? given) && given.Count > 0)
            {
                Apply(setting, options, given, "--" + setting.Name);
            }
        }

        foreach (string name in environment.Keys)
        {
            if (MisspeltFor(name) is { } meant)
            {
                throw new OptionsException($"unknown variable {name}: is {meant} meant?");
            }
        }

        return options;
    }

    /// <summary>
    /// The variables with the prefix of the settings that no setting has. Other programs may use such names, so the daemon only logs them;
    /// <see cref="Load"/> refuses those that are a misspelt setting.
    /// </summary>
    public static IReadOnlyList<string> UnknownVariables(IEnumerable<string> names) =>
        [.. names.Where(n => n.StartsWith(Prefix, StringComparison.Ordinal) && !IsKnown(n)).Order(StringComparer.Ordinal)];

    /// <summary>The environment of this process.</summary>
    public static IReadOnlyDictionary<string, string> ProcessEnvironment()
    {
        var variables = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (System.Collections.DictionaryEntry variable in Environment.GetEnvironmentVariables())
        {
            variables[(string)variable.Key] = (string?)variable.Value ?? "";
        }

        return variables;
    }

    private static void ApplyFile(string file, NodeOptions options)
    {
        foreach ((string key, IReadOnlyList<string> values) in ConfigFile.Read(file))
        {
            if (Setting.Retired.Contains(key))
            {
                // A host whose daemon is upgraded keeps its config file.
                options.RetiredKeys.Add(key);
                continue;
            }

            Setting setting = Setting.All.FirstOrDefault(s => s.Name == key)
                ?? throw new OptionsException($"{file}: unknown key '{key}'");
            if (!setting.Multiple && values.Count > 1)
            {
                throw new OptionsException($"{file}: {key} takes one value, not a list");
            }

            Apply(setting, options, values, $"{file}: {key}");
        }
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

    private static bool IsKnown(string name) => name is ConfigVariable or "IPCS_BIN" || Setting.All.Any(s => s.Variable == name);

    /// <summary>
    /// The variable that an unknown name misspells: at most two letters differ, and at most a third of them; null for none.
    /// </summary>
    private static string? MisspeltFor(string name)
    {
        if (!name.StartsWith(Prefix, StringComparison.OrdinalIgnoreCase) || IsKnown(name))
        {
            return null;
        }

        string bare = name[Prefix.Length..].ToUpperInvariant();
        foreach (Setting setting in Setting.All)
        {
            string known = setting.Variable[Prefix.Length..];
            if (Distance(bare, known) <= Math.Min(2, known.Length / 3))
            {
                return setting.Variable;
            }
        }

        return null;
    }

    /// <summary>The Levenshtein distance: the fewest letters inserted, deleted or replaced that turn one string into the other.</summary>
    private static int Distance(string left, string right)
    {
        int[] row = [.. Enumerable.Range(0, right.Length + 1)];
        for (int i = 1; i <= left.Length; i++)
        {
            int diagonal = row[0];
            row[0] = i;
            for (int j = 1; j <= right.Length; j++)
            {
                int changed = diagonal + (left[i - 1] == right[j - 1] ? 0 : 1);
                diagonal = row[j];
                row[j] = Math.Min(changed, 1 + Math.Min(row[j], row[j - 1]));
            }
        }

        return row[right.Length];
    }
}
