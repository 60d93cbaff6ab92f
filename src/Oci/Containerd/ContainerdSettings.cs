using Tomlyn;
using Tomlyn.Model;

namespace Ipcs.Oci.Containerd;

/// <summary>
/// Finds settings in containerd's configuration that work against ipcs. Reads the one file, not its <c>imports</c>. Format:
/// https://github.com/containerd/containerd/blob/main/docs/man/containerd-config.toml.5.md.
/// </summary>
public static class ContainerdSettings
{
    /// <summary>The path where containerd looks for its configuration.</summary>
    public const string DefaultFile = "/etc/containerd/config.toml";

    /// <summary>The longest file, in bytes. A longer one is another file by mistake.</summary>
    private const int MaxFile = 1 << 20;

    private const string Discard = "discard_unpacked_layers";
    private const string Sharing = "content_sharing_policy";

    /// <summary>
    /// The warnings about a file, each a line. A file that cannot be read is one, except a missing one at the default path.
    /// </summary>
    public static IReadOnlyList<string> Warnings(string file)
    {
        try
        {
            if (file == DefaultFile && !File.Exists(file))
            {
                return [];
            }

            if (new FileInfo(file).Length > MaxFile)
            {
                return [$"{file} is longer than {MaxFile} bytes"];
            }

            // The CRI plugin has the setting in another table in each version of the format.
            TomlTable table = TomlSerializer.Deserialize(File.ReadAllText(file), ContainerdToml.Default.TomlTable) ?? [];
            var warnings = new List<string>();
            if (Has(table, Discard, value => value is true))
            {
                warnings.Add($"{file}: {Discard} is true: containerd deletes each layer after unpacking it, "
                    + "and other hosts get it from this one only while the daemon's option retain keeps it");
            }

            if (Has(table, Sharing, value => value is "isolated"))
            {
                warnings.Add($"{file}: {Sharing} is \"isolated\": each namespace of containerd pulls what another one has already");
            }

            return warnings;
        }
        catch (Exception e) when (e is TomlException or ArgumentOutOfRangeException or UnauthorizedAccessException or IOException)
        {
            // The parser throws ArgumentOutOfRangeException when the file ends inside an escape.
            return [$"{file}: {e.Message.ReplaceLineEndings(" ")}"];
        }
    }

    private static bool Has(TomlTable table, string key, Func<object?, bool> isMeant) =>
        (table.TryGetValue(key, out object? value) && isMeant(value))
        || table.Values.OfType<TomlTable>().Any(inner => Has(inner, key, isMeant));
}
