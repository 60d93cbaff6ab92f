using Ipcs.Dag.Chunking;
using Ipcs.Dag.Import;

namespace Ipcs.Oci.Conversion;

/// <summary>
/// The DAG profiles of converted images. With that of the fleet, a converted image has the leaves of the unmodified one. With
/// <see cref="ImportProfile.KuboV0"/>, digests are those of <c>ipfs add</c> in 2019.
/// </summary>
public static class ConvertProfiles
{
    /// <summary>The default chunker of all profiles.</summary>
    public static string DefaultChunker => ChunkerSpec.Default.Text;

    /// <summary>A profile with another chunker.</summary>
    /// <param name="profile">The profile.</param>
    /// <param name="chunker">The chunker in text form (see <see cref="ChunkerSpec.Forms"/>); null: that of the profile.</param>
    /// <exception cref="FormatException">The text is no valid chunker.</exception>
    public static ImportProfile WithChunker(ImportProfile profile, string? chunker)
    {
        if (chunker is null)
        {
            return profile;
        }

        return !ChunkerSpec.TryParse(chunker, out ChunkerSpec? spec, out string? problem) ? throw new FormatException(problem)
            : spec.Equals(profile.Chunker) ? profile
            : profile with { Name = $"{profile.Name}-{spec}", Chunker = spec };
    }

    /// <summary>True for a chunker that cuts a tar at its files: layers are decompressed for it, also in the converted image.</summary>
    internal static bool Unpacks(ImportProfile profile) => profile.Chunker.IsTar;
}
