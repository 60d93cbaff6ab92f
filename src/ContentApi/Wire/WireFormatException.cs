namespace Ipcs.ContentApi.Wire;

/// <summary>Bytes that are not the protobuf message they should be.</summary>
internal sealed class WireFormatException(string message) : FormatException(message);
