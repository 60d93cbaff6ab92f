using System.Text;
using System.Text.RegularExpressions;

namespace Ipcs.ContentApi.Filters;

/// <summary>
/// containerd's filters: <c>path[op value]</c> joined by commas, all of which must hold; of several filters one must.
/// <c>==</c> equal, <c>!=</c> not equal (absent too), <c>~=</c> matches a regular expression, nothing: present.
/// Syntax: https://github.com/containerd/containerd/blob/main/pkg/filters/filter.go.
/// </summary>
internal sealed class ContentFilter
{
    /// <summary>The longest filter taken, in characters, and the most of them: containerd's own are short.</summary>
    private const int MaxLength = 4096;
    private const int MaxFilters = 256;

    private readonly List<Selector[]> _filters;

    private ContentFilter(List<Selector[]> filters) => _filters = filters;

    /// <summary>Gives the value of a field; null when it is absent.</summary>
    public delegate string? FieldReader(IReadOnlyList<string> path);

    /// <summary>Parses filters.</summary>
    /// <exception cref="FormatException">One of them is ill-formed; the message shows where.</exception>
    public static ContentFilter Parse(IReadOnlyCollection<string> filters)
    {
        if (filters.Count > MaxFilters || filters.Any(f => f.Length > MaxLength))
        {
            throw new FormatException($"more than {MaxFilters} filters, or one longer than {MaxLength} characters");
        }

        return new ContentFilter([.. filters.Select(f => new Parser(f).Parse())]);
    }

    /// <summary>True when there is no filter, or one of them holds.</summary>
    public bool Matches(FieldReader read) => _filters.Count == 0 || _filters.Exists(f => Array.TrueForAll(f, s => s.Matches(read)));

    private sealed record Selector(IReadOnlyList<string> Path, string Operator, string Value, Regex? Pattern)
    {
        public bool Matches(FieldReader read)
        {
            string? value = read(Path);
            return Operator switch
            {
                "==" => value == Value,
                "!=" => value != Value,
                "~=" => value is not null && Pattern!.IsMatch(value),
                _ => value is not null,
            };
        }
    }

    private ref struct Parser(string text)
    {
        private int _at;

        public Selector[] Parse()
        {
            var selectors = new List<Selector>();
            if (text.Length == 0)
            {
                return [];
            }

            while (true)
            {
                selectors.Add(ParseSelector());
                if (_at == text.Length)
                {
                    return [.. selectors];
                }

                if (text[_at++] != ',')
                {
                    throw Bad("a comma is expected");
                }
            }
        }

        private Selector ParseSelector()
        {
            var path = new List<string> { Field() };
            while (_at < text.Length && text[_at] == '.')
            {
                _at++;
                path.Add(Field());
            }

            if (_at + 1 >= text.Length || text[_at + 1] != '=' || text[_at] is not ('=' or '!' or '~'))
            {
                return new Selector(path, "", "", null);
            }

            string op = text.Substring(_at, 2);
            _at += 2;
            string value = _at < text.Length && text[_at] is '"' or '/' or '|' ? Quoted(text[_at]) : Bare();
            Regex? pattern = null;
            if (op == "~=")
            {
                try
                {
                    pattern = new Regex(value, RegexOptions.NonBacktracking | RegexOptions.CultureInvariant, TimeSpan.FromSeconds(1));
                }
                catch (Exception e) when (e is ArgumentException or NotSupportedException)
                {
                    throw Bad($"'{value}' is no regular expression");
                }
            }

            return new Selector(path, op, value, pattern);
        }

        private string Field()
        {
            if (_at < text.Length && text[_at] == '"')
            {
                return Quoted('"');
            }

            int start = _at;
            while (_at < text.Length && (char.IsAsciiLetterOrDigit(text[_at]) || text[_at] == '_'))
            {
                _at++;
            }

            return _at > start ? text[start.._at] : throw Bad("a field name is expected");
        }

        private string Bare()
        {
            int start = _at;
            while (_at < text.Length && text[_at] != ',' && !char.IsWhiteSpace(text[_at]))
            {
                _at++;
            }

            return _at > start ? text[start.._at] : throw Bad("a value is expected");
        }

        private string Quoted(char quote)
        {
            var value = new StringBuilder();
            for (_at++; _at < text.Length; _at++)
            {
                char c = text[_at];
                if (c == quote)
                {
                    _at++;
                    return value.ToString();
                }

                if (c == '\\' && _at + 1 < text.Length && (text[_at + 1] == quote || text[_at + 1] == '\\'))
                {
                    c = text[++_at];
                }

                value.Append(c);
            }

            throw Bad("a quote is not closed");
        }

        private readonly FormatException Bad(string what) => new($"filter '{text}', character {_at}: {what}");
    }
}
