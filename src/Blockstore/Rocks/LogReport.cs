namespace Ipcs.Blockstore.Rocks;

/// <summary>What a write-ahead log has.</summary>
/// <param name="Records">Its whole records.</param>
/// <param name="Damage">The first byte of its first damaged place that whole records follow; null when there is none.</param>
/// <param name="RecordsAfter">The whole records after that place.</param>
/// <param name="LostBytes">The bytes of all places that are no record, but for the torn end.</param>
/// <param name="TornBytes">The bytes from the last record to the end, which are none: what a power loss leaves.</param>
/// <param name="IsCut">True when the log ends in the middle of a record or in zeros, false when its torn end has other bytes.</param>
internal readonly record struct LogReport(long Records, long? Damage, long RecordsAfter, long LostBytes, long TornBytes, bool IsCut);
