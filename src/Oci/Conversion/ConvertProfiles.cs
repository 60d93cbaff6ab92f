using Ipcs.Dag.Chunking;
using Ipcs.Dag.Import;

namespace Ipcs.Oci.Conversion;

/// <summary>
/// The DAG profiles of converted images. With any chunker, nodes are those that <c>ipfs add</c> made in 2019: CIDv0, dag-pb leaves, 174
/// links.
/// </summary>
public static class ConvertChunkers
{
    /// <summary>The default chunker, with which the CIDs are those that <c>ipfs add</c> prints.</summary>
    public static string Default => ChunkerSpec.Default.Text;

    /// <summary>True for a chunker that cuts a tar at its files: layers are decompressed for it, also in the converted image.</summary>
    internal static bool Unpacks(ImportProfile profile) => profile.Chunker.IsTar;

    /// <summary>The profile for a chunker in text form (see <see cref="ChunkerSpec.Forms"/>); null: the default.</summary>
    /// <exception cref="FormatException">The text is no valid chunker.</exception>
    public static ImportProfile Parse(string? chunker)
    {
        if (chunker is null)
        {
            return ImportProfile.KuboV0;
        }

        return !ChunkerSpec.TryParse(chunker, out ChunkerSpec? spec, out string? problem) ? throw new FormatException(problem)
            : spec.Equals(ChunkerSpec.Default) ? ImportProfile.KuboV0
            : ImportProfile.KuboV0 with { Name = $"kubo-v0-{spec}", Chunker = spec };
    }
}
