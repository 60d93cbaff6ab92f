using System.Text.RegularExpressions;

namespace Ipcs.ContentApi.Filters;

/// <summary>How a selector compares a field with its value.</summary>
internal enum SelectorOperator
{
    /// <summary>The object has the field.</summary>
    Present,

    /// <summary><c>==</c>.</summary>
    Equal,

    /// <summary><c>!=</c>; an object without the field passes.</summary>
    NotEqual,

    /// <summary><c>~=</c>: a regular expression matches anywhere in the value; a missing field counts as empty.</summary>
    Matches,
}

/// <summary>A condition on one field.</summary>
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
