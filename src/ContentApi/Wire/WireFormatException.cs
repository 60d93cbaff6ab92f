namespace Ipcs.ContentApi.Wire;

/// <summary>The bytes are not the expected protobuf message.</summary>
internal sealed class WireFormatException(string message) : FormatException(message);
