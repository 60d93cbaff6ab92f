using Ipcs.Multiformats;

namespace Ipcs.ContentApi.Reading;

/// <summary>
/// What a cached reader can be reused for. The bytes under a root never change, but the block source does when the content becomes
/// complete.
/// </summary>
internal readonly record struct ReaderKey(Digest Digest, Cid Root, bool Complete);
