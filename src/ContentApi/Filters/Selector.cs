using System.Text.RegularExpressions;

namespace Ipcs.ContentApi.Filters;

/// <summary>How a selector compares.</summary>
internal enum SelectorOperator
{
    /// <summary>The field is there.</summary>
    Present,

    /// <summary><c>==</c></summary>
    Equal,

    /// <summary><c>!=</c>, which a field that is not there satisfies.</summary>
    NotEqual,

    /// <summary><c>~=</c>, a regular expression that matches somewhere; a field that is not there counts as empty.</summary>
    Matches,
}

/// <summary>One condition on one field.</summary>
internal sealed class Selector(IReadOnlyList<string> path, SelectorOperator op, string value, Regex? expression)
{
    public bool Matches(ContentFilter.FieldLookup fields)
    {
        string? found = fields(path);
        return op switch
        {
            SelectorOperator.Present => found is not null,
            SelectorOperator.Equal => found == value,
            SelectorOperator.NotEqual => (found ?? "") != value,
            _ => expression!.IsMatch(found ?? ""),
        };
    }
}
