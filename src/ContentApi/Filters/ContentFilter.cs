namespace Ipcs.ContentApi.Filters;

/// <summary>
/// The filters of a List request. An object passes when it passes any of them; it passes a filter when it passes all its selectors. Syntax:
/// https://github.com/containerd/containerd/blob/main/pkg/filters/filter.go.
/// </summary>
internal sealed class ContentFilter
{
    /// <summary>The most filters in a request; containerd and its tools send a handful.</summary>
    public const int MaxFilters = 256;

    /// <summary>The longest filter, in characters.</summary>
    public const int MaxLength = 16 * 1024;

    private readonly Selector[][] _any;

    private ContentFilter(Selector[][] any) => _any = any;

    /// <summary>The value of a field by its path; null when the object has no such field.</summary>
    public delegate string? FieldLookup(IReadOnlyList<string> path);

    /// <summary>Parses the filters of a request. Every object passes when there is no filter, or one that is empty.</summary>
    /// <exception cref="FormatException">A filter is malformed; the message says at which character.</exception>
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

    /// <summary>True when the object with these fields passes.</summary>
    public bool Matches(FieldLookup fields) => _any.Length == 0 || _any.Any(all => all.All(selector => selector.Matches(fields)));
}
