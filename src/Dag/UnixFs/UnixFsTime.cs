using System.Runtime.InteropServices;

namespace Ipcs.Dag.UnixFs;

/// <summary>A modification time.</summary>
/// <param name="Seconds">Seconds since 1970; may be negative.</param>
/// <param name="Nanoseconds">0 to 999999999; null when the field is absent.</param>
[StructLayout(LayoutKind.Auto)]
public readonly record struct UnixFsTime(long Seconds, uint? Nanoseconds);
