using System.CommandLine;
using Ipcs.CommandLine;
using Ipcs.Node.Options;

namespace Ipcs.Node.Commands;

/// <summary>The settings as flags of a command, and <c>--config</c>. Used by <c>daemon</c>, <c>init</c> and <c>config show</c>.</summary>
internal sealed class OptionFlags
{
    private readonly GlobalOptions _global;
    private readonly Option<string?> _config = new("--config")
    {
        Description = $"config file (TOML); every option of the daemon is a key of it (also {OptionsLoader.ConfigVariable})",
        HelpName = "FILE",
    };

    private readonly Dictionary<string, Option<string[]>> _flags = new(StringComparer.Ordinal);

    /// <summary>Adds the flags to a command: those of all settings, or those of <paramref name="names"/>.</summary>
    public OptionFlags(GlobalOptions global, Command command, params string[] names)
    {
        _global = global;
        command.Options.Add(_config);
        foreach (Setting setting in Setting.All)
        {
            // Every command has the flag of the control socket already.
            if ("--" + setting.Name != global.ApiSocket.Name && (names.Length == 0 || names.Contains(setting.Name)))
            {
                var flag = new Option<string[]>("--" + setting.Name)
                {
                    Description = $"{setting.Help} (also {setting.Variable})",
                    HelpName = setting.Value,
                    Arity = ArgumentArity.OneOrMore,
                    AllowMultipleArgumentsPerToken = false,
                    CustomParser = result => [.. result.Tokens.Select(t => t.Value)],
                };
                if (!setting.Multiple)
                {
                    flag.Validators.Add(static result =>
                    {
                        if (result.IdentifierTokenCount > 1)
                        {
                            result.AddError($"{result.Option.Name} takes one value and is given {result.IdentifierTokenCount} times");
                        }
                    });
                }

                _flags.Add(setting.Name, flag);
                command.Options.Add(flag);
            }
        }
    }

    /// <summary>True when any of the flags is given, except that of the control socket.</summary>
    public bool AnyGiven(ParseResult parsed) =>
        parsed.GetResult(_config) is not null || _flags.Values.Any(f => parsed.GetResult(f) is not null);

    /// <summary>Loads the options from these flags, the environment and the config file.</summary>
    /// <exception cref="OptionsException">A key, a variable or a value is invalid.</exception>
    public NodeOptions Load(ParseResult parsed)
    {
        var given = _flags.ToDictionary(f => f.Key, f => (IReadOnlyList<string>)(parsed.GetValue(f.Value) ?? []), StringComparer.Ordinal);
        if (parsed.GetValue(_global.ApiSocket) is { } socket)
        {
            given["api-socket"] = [socket];
        }

        return OptionsLoader.Load(parsed.GetValue(_config), OptionsLoader.ProcessEnvironment(), given);
    }
}
