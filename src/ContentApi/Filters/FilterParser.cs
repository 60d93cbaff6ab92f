using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;

namespace Ipcs.ContentApi.Filters;

/// <summary>
/// Parses one filter:
/// <code>
/// filter   := selector ("," selector)*
/// selector := path [operator value]
/// path     := field ("." field)*
/// field    := quoted | [A-Za-z0-9_]+
/// operator := "==" | "!=" | "~="
/// value    := quoted | [^\s,]+
/// quoted   := a Go string in double quotes; after "~=" also in slashes or bars
/// </code>
/// </summary>
internal sealed class FilterParser(string input)
{
    private int _at;

    /// <summary>Parses the whole input.</summary>
    /// <exception cref="FormatException">The input is malformed.</exception>
    public Selector[] Parse()
    {
        var selectors = new List<Selector>();
        do
        {
            selectors.Add(ParseSelector());
            SkipSpace();
        }
        while (TryTake(','));

        return _at == input.Length ? [.. selectors] : throw Error("unexpected input");
    }

    private Selector ParseSelector()
    {
        List<string> path = [ParseField()];
        while (TryTake('.'))
        {
            path.Add(ParseField());
        }

        SkipSpace();
        if (_at == input.Length || input[_at] == ',')
        {
            return new Selector(path, SelectorOperator.Present, "", null);
        }

        SelectorOperator op = ParseOperator();
        string value = ParseValue(op == SelectorOperator.Matches);
        return new Selector(path, op, value, op == SelectorOperator.Matches ? Compile(value) : null);
    }

    private string ParseField()
    {
        SkipSpace();
        if (_at < input.Length && input[_at] == '"')
        {
            return ParseQuoted();
        }

        int start = _at;
        while (_at < input.Length && (char.IsAsciiLetterOrDigit(input[_at]) || input[_at] == '_'))
        {
            _at++;
        }

        return _at > start ? input[start.._at] : throw Error("expected a field or a quoted string");
    }

    private SelectorOperator ParseOperator()
    {
        SelectorOperator? op = input.AsSpan(_at) switch
        {
            ['=', '=', ..] => SelectorOperator.Equal,
            ['!', '=', ..] => SelectorOperator.NotEqual,
            ['~', '=', ..] => SelectorOperator.Matches,
            _ => null,
        };
        if (op is null || (_at + 2 < input.Length && input[_at + 2] is '=' or '!' or '~'))
        {
            throw Error("expected an operator (\"==\", \"!=\" or \"~=\")");
        }

        _at += 2;
        return op.Value;
    }

    private string ParseValue(bool anyQuotes)
    {
        SkipSpace();
        if (_at < input.Length && (input[_at] == '"' || (anyQuotes && input[_at] is '/' or '|')))
        {
            return ParseQuoted();
        }

        int start = _at;
        while (_at < input.Length && input[_at] != ',' && !char.IsWhiteSpace(input[_at]) && !char.IsControl(input[_at]))
        {
            _at++;
        }

        return _at > start ? input[start.._at] : throw Error("expected a value or a quoted string");
    }

    private string ParseQuoted()
    {
        char quote = input[_at++];
        var text = new StringBuilder();
        while (_at < input.Length && input[_at] != '\n')
        {
            char c = input[_at++];
            if (c == quote)
            {
                return text.ToString();
            }

            if (c == '\\')
            {
                AppendEscape(text, quote);
            }
            else
            {
                text.Append(c);
            }
        }

        throw Error("a quoted string does not end");
    }

    private void AppendEscape(StringBuilder text, char quote)
    {
        char c = _at < input.Length ? input[_at++] : throw Error("a quoted string does not end");
        switch (c)
        {
            case 'a': text.Append('\a'); break;
            case 'b': text.Append('\b'); break;
            case 'f': text.Append('\f'); break;
            case 'n': text.Append('\n'); break;
            case 'r': text.Append('\r'); break;
            case 't': text.Append('\t'); break;
            case 'v': text.Append('\v'); break;
            case 'x': AppendRune(text, 2); break;
            case 'u': AppendRune(text, 4); break;
            case 'U': AppendRune(text, 8); break;
            case >= '0' and <= '7':
                _at--;
                AppendOctal(text);
                break;
            default:
                if (c != '\\' && c != quote)
                {
                    throw Error("illegal escape sequence");
                }

                text.Append(c);
                break;
        }
    }

    private void AppendRune(StringBuilder text, int digits)
    {
        if (_at + digits > input.Length
            || !uint.TryParse(input.AsSpan(_at, digits), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out uint code)
            || !Rune.IsValid(code))
        {
            throw Error("illegal numeric escape sequence");
        }

        _at += digits;
        text.Append(new Rune(code).ToString());
    }

    private void AppendOctal(StringBuilder text)
    {
        int code = 0;
        for (int i = 0; i < 3; i++)
        {
            int digit = _at < input.Length ? input[_at++] - '0' : -1;
            code = digit is >= 0 and <= 7 ? (code * 8) + digit : throw Error("illegal numeric escape sequence");
        }

        text.Append(code <= 0xff ? (char)code : throw Error("illegal numeric escape sequence"));
    }

    // Without backtracking, as in Go, so that no expression takes more than linear time. Go names groups (?P<n>...).
    private Regex Compile(string expression)
    {
        try
        {
            string pattern = expression.Replace("(?P<", "(?<", StringComparison.Ordinal);
            return new Regex(pattern, RegexOptions.NonBacktracking | RegexOptions.CultureInvariant);
        }
        catch (Exception e) when (e is ArgumentException or NotSupportedException)
        {
            throw Error($"bad regular expression: {e.Message}");
        }
    }

    private bool TryTake(char c)
    {
        if (_at < input.Length && input[_at] == c)
        {
            _at++;
            return true;
        }

        return false;
    }

    private void SkipSpace()
    {
        while (_at < input.Length && char.IsWhiteSpace(input[_at]))
        {
            _at++;
        }
    }

    private FormatException Error(string message) => new($"filter, at character {_at}: {message}");
}
