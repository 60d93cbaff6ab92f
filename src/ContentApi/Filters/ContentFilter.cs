namespace Ipcs.ContentApi.Filters;

/// <summary>
/// What a List asks for: any of several filters, each of which is selectors that must all hold. Syntax:
/// https://github.com/containerd/containerd/blob/main/pkg/filters/filter.go.
/// </summary>
internal sealed class ContentFilter
{
    /// <summary>The most filters in a request: containerd and its tools send a handful.</summary>
    public const int MaxFilters = 256;

    /// <summary>The longest filter, in characters.</summary>
    public const int MaxLength = 16 * 1024;

    private readonly Selector[][] _any;

    private ContentFilter(Selector[][] any) => _any = any;

    /// <summary>Looks a field up by its path; null when the object has no such field.</summary>
    public delegate string? FieldLookup(IReadOnlyList<string> path);

    /// <summary>Parses the filters of a request. No filter, or an empty one, lets everything pass.</summary>
    /// <exception cref="FormatException">One is malformed; the message says where.</exception>
    public static ContentFilter Parse(IReadOnlyCollection<string> filters)
    {
        if (filters.Count > MaxFilters)
        {
            throw new FormatException($"there are more than {MaxFilters} filters");
        }

        if (filters.FirstOrDefault(f => f.Length > MaxLength) is not null)
        {
            throw new FormatException($"a filter is longer than {MaxLength} characters");
        }

        return new ContentFilter([.. filters.Select(f => f.Length == 0 ? [] : new FilterParser(f).Parse())]);
    }

    /// <summary>True when the object passes.</summary>
    public bool Matches(FieldLookup fields) => _any.Length == 0 || _any.Any(all => all.All(selector => selector.Matches(fields)));
}
