using System.Text;

namespace Ipcs.ContentApi.Rpc;

/// <summary>containerd's rules for labels: https://github.com/containerd/containerd/blob/main/pkg/labels/validate.go.</summary>
internal static class Labels
{
    /// <summary>The most bytes of a key and its value.</summary>
    public const int MaxLength = 4096;

    /// <summary>The most bytes of all labels of a content: a record is read whole, and some hundreds of full labels are plenty.</summary>
    public const int MaxTotalLength = 1 << 20;

    /// <summary>Refuses what containerd refuses, and what is over our bound.</summary>
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
                throw RpcErrors.InvalidArgument($"a label's key and value take more than {MaxLength} bytes: key {(key.Length > 10 ? key[..10] : key)}");
            }

            if (total > MaxTotalLength)
            {
                throw RpcErrors.InvalidArgument($"the labels take more than {MaxTotalLength} bytes");
            }
        }
    }

    /// <summary>A copy without empty values: an empty value is no label.</summary>
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

    /// <summary>Applies an update of <paramref name="paths"/>: <c>labels</c> (or nothing) for all of them, <c>labels.KEY</c> for one.</summary>
    /// <exception cref="Grpc.Core.RpcException">Another field is named, or the result is out of bounds.</exception>
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
