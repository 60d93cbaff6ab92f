using Ipcs.Multiformats;

namespace Ipcs.ContentApi.Ingests;

/// <summary>
/// What the reference of an ingest says: containerd and its clients name the ingest of a descriptor by its kind and its digest, with a
/// namespace and a number before it. https://github.com/containerd/containerd/blob/main/core/remotes/handlers.go, MakeRefKey.
/// </summary>
internal static class Reference
{
    private static readonly string[] Algorithms = ["sha256:", "sha384:", "sha512:"];

    /// <summary>The digest at the end of a reference; null when there is none.</summary>
    public static Digest? DigestOf(string reference)
    {
        foreach (string algorithm in Algorithms)
        {
            int at = reference.LastIndexOf(algorithm, StringComparison.Ordinal);
            if (at >= 0)
            {
                return Digest.TryParse(reference[at..], out Digest digest) ? digest : null;
            }
        }

        return null;
    }

    /// <summary>The hash function of the digest in a reference; null when it names none but sha256.</summary>
    public static uint? AlgorithmOf(string reference) =>
        reference.Contains("sha512:", StringComparison.Ordinal) ? Multihash.Sha2_512
        : reference.Contains("sha384:", StringComparison.Ordinal) ? Multihash.Sha2_384
        : null;
}
