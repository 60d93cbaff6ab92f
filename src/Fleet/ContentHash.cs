using System.Security.Cryptography;
using Ipcs.Multiformats;

namespace Ipcs.Fleet;

/// <summary>The hash of a whole content.</summary>
internal static class ContentHash
{
    /// <summary>A running hash with the algorithm of a digest.</summary>
    public static IncrementalHash Create(Digest digest) => IncrementalHash.CreateHash(digest.Hash.Code switch
    {
        Multihash.Sha2_512 => HashAlgorithmName.SHA512,
        Multihash.Sha2_384 => HashAlgorithmName.SHA384,
        _ => HashAlgorithmName.SHA256,
    });
}
