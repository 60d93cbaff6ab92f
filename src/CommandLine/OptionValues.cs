using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;
using Ipcs.Multiformats;

namespace Ipcs.CommandLine;

/// <summary>Options whose values are words of a list, or numbers. A wrong value is an error that says what the option takes.</summary>
internal static class OptionValues
{
    /// <summary>An option that takes one of some words.</summary>
    public static Option<string?> OneOf(
        string name, string? alias, string help, string helpName, string? fallback, params string[] words) =>
        Build(name, alias, help, helpName, fallback, result => Word(result, name, words));

    /// <summary>An option that takes an integer.</summary>
    public static Option<long?> Number(string name, string? alias, string help, string helpName, long min, long? fallback = null) =>
        Build(name, alias, help, helpName, fallback, result => Integer(result, name, min));

    /// <summary>An option that takes a size of at least a byte. Its value is the number of bytes.</summary>
    public static Option<long?> Size(string name, string help) => new(name)
    {
        Description = help,
        HelpName = "SIZE",
        CustomParser = result =>
        {
            string value = result.Tokens[^1].Value;
            if (ByteSize.TryParse(value, out long bytes) && bytes > 0)
            {
                return bytes;
            }

            result.AddError($"{name} takes a size such as 500MB or 10GiB, not '{value}'");
            return null;
        },
    };

    private static Option<T> Build<T>(
        string name, string? alias, string help, string helpName, T fallback, Func<ArgumentResult, T> parse)
    {
        var option = new Option<T>(name)
        {
            Description = help,
            HelpName = helpName,
            DefaultValueFactory = _ => fallback,
            CustomParser = parse,
        };
        if (alias is not null)
        {
            option.Aliases.Add(alias);
        }

        return option;
    }

    private static string? Word(ArgumentResult result, string name, string[] words)
    {
        string value = result.Tokens[^1].Value;
        if (words.Contains(value))
        {
            return value;
        }

        string list = words.Length == 1 ? words[0] : $"{string.Join(", ", words[..^1])} or {words[^1]}";
        result.AddError($"{name} takes {list}, not '{value}'");
        return null;
    }

    private static long? Integer(ArgumentResult result, string name, long min)
    {
        string value = result.Tokens[^1].Value;
        if (long.TryParse(value, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out long number) && number >= min)
        {
            return number;
        }

        result.AddError($"{name} takes a number from {min}, not '{value}'");
        return null;
    }
}
