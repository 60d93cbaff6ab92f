using System.Text;

namespace Ipcs.ContentApi.Rpc;

/// <summary>containerd's rules for labels: https://github.com/containerd/containerd/blob/main/pkg/labels/validate.go.</summary>
internal static class Labels
{
    /// <summary>The most bytes of a key and its value together.</summary>
    public const int MaxLength = 4096;

    /// <summary>The most bytes of all labels of a content: each look-up of a record decodes all of them.</summary>
    public const int MaxTotalLength = 1 << 20;

    /// <summary>Refuses labels over the bounds.</summary>
    /// <exception cref="Grpc.Core.RpcException">A label is too long, or there are too many.</exception>
    public static void Check(IEnumerable<KeyValuePair<string, string>> labels)
    {
        int total = 0;
        foreach ((string key, string value) in labels)
        {
            int length = Encoding.UTF8.GetByteCount(key) + Encoding.UTF8.GetByteCount(value);
            total += length;
            if (length > MaxLength)
            {
                throw RpcErrors.InvalidArgument(
                    $"a label's key and value have more than {MaxLength} bytes: key {(key.Length > 10 ? key[..10] : key)}");
            }

            if (total > MaxTotalLength)
            {
                throw RpcErrors.InvalidArgument($"the labels have more than {MaxTotalLength} bytes");
            }
        }
    }

    /// <summary>A copy without the labels whose value is empty: containerd takes an empty value for no label.</summary>
    public static Dictionary<string, string> WithoutEmpty(IEnumerable<KeyValuePair<string, string>> labels)
    {
        var kept = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach ((string key, string value) in labels)
        {
            if (value.Length > 0)
            {
                kept[key] = value;
            }
        }

        return kept;
    }

    /// <summary>
    /// Applies an update whose field mask is <paramref name="paths"/>: <c>labels</c>, or an empty mask, replaces all labels;
    /// <c>labels.KEY</c> changes one.
    /// </summary>
    /// <exception cref="Grpc.Core.RpcException">The mask names another field, or the result is over the bounds.</exception>
    public static Dictionary<string, string> Update(
        IReadOnlyDictionary<string, string> current, IDictionary<string, string> given, IReadOnlyCollection<string> paths)
    {
        const string Prefix = "labels.";
        Dictionary<string, string> result = WithoutEmpty(paths.Count == 0 || paths.Contains("labels") ? given : current);
        foreach (string path in paths)
        {
            if (path.StartsWith(Prefix, StringComparison.Ordinal))
            {
                string key = path[Prefix.Length..];
                if (given.TryGetValue(key, out string? value) && value.Length > 0)
                {
                    result[key] = value;
                }
                else
                {
                    result.Remove(key);
                }
            }
            else if (path != "labels")
            {
                throw RpcErrors.InvalidArgument($"the field \"{(path.Length > 64 ? path[..64] : path)}\" of a content can't be updated");
            }
        }

        Check(result);
        return result;
    }
}
