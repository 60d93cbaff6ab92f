namespace Ipcs.Multiformats;

/// <summary>A component of a multiaddr: a protocol and its value, which is empty for a protocol without one.</summary>
public readonly record struct MultiaddrComponent(MultiaddrProtocol Protocol, string Value)
{
    /// <summary><c>/name</c> or <c>/name/value</c>.</summary>
    public override string ToString() => Protocol.Size == 0 ? $"/{Protocol.Name}" : $"/{Protocol.Name}/{Value}";
}
