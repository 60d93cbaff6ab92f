using Ipcs.Dag.Chunking;
using Ipcs.Dag.Import;

namespace Ipcs.Oci;

/// <summary>
/// The DAG profiles of converted images. Whatever the chunker, nodes are those that <c>ipfs add</c> made in 2019: CIDv0, leaves in dag-pb, 174
/// children.
/// </summary>
public static class ConvertChunkers
{
    /// <summary>The default chunker, with which digests equal those that <c>ipfs add</c> prints.</summary>
    public static string Default => ChunkerSpec.Default.Text;

    /// <summary>True for a chunker that looks at the files of a tar: layers are unpacked for it, and stay so.</summary>
    internal static bool Unpacks(ImportProfile profile) => profile.Chunker.IsTar;

    /// <summary>The profile of a chunker as users write it: see <see cref="ChunkerSpec.Forms"/>.</summary>
    /// <exception cref="FormatException">It is none.</exception>
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
