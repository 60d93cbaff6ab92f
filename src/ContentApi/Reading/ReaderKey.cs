using Ipcs.Multiformats;

namespace Ipcs.ContentApi.Reading;

/// <summary>What a reader reads: bytes under a root never change, but where they come from does once all are here.</summary>
internal readonly record struct ReaderKey(Digest Digest, Cid Root, bool Complete);
