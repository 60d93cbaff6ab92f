using System.Net.Http.Headers;
using System.Text.RegularExpressions;

namespace Ipcs.Oci.Registry;

/// <summary>
/// The authentication challenge of a 401 answer. Spec: https://www.rfc-editor.org/rfc/rfc9110, section 11, and
/// https://distribution.github.io/distribution/spec/auth/token/.
/// </summary>
/// <param name="Scheme"><c>Basic</c> or <c>Bearer</c>.</param>
/// <param name="Fields">The parameters.</param>
internal sealed partial record Challenge(string Scheme, IReadOnlyDictionary<string, string> Fields)
{
    /// <summary>The challenge to meet: Bearer before Basic; null when there is neither.</summary>
    public static Challenge? Best(HttpHeaderValueCollection<AuthenticationHeaderValue> headers)
    {
        Challenge? best = null;
        foreach (AuthenticationHeaderValue header in headers)
        {
            if (header.Scheme.Equals("Bearer", StringComparison.OrdinalIgnoreCase))
            {
                return new Challenge("Bearer", Parse(header.Parameter ?? ""));
            }

            if (header.Scheme.Equals("Basic", StringComparison.OrdinalIgnoreCase))
            {
                best ??= new Challenge("Basic", new Dictionary<string, string>(0));
            }
        }

        return best;
    }

    private static Dictionary<string, string> Parse(string parameters)
    {
        var fields = new Dictionary<string, string>(StringComparer.OrdinalIgnoreCase);
        foreach (Match match in ParameterPattern().Matches(parameters))
        {
            fields[match.Groups[1].Value] = match.Groups[2].Success
                ? match.Groups[2].Value.Replace("\\\"", "\"", StringComparison.Ordinal)
                : match.Groups[3].Value;
        }

        return fields;
    }

    [GeneratedRegex("""([A-Za-z_]+)=(?:"((?:[^"\\]|\\.)*)"|([^",\s]+))""", RegexOptions.CultureInvariant)]
    private static partial Regex ParameterPattern();
}
