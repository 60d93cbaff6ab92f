namespace Ipcs.Fleet;

/// <summary>The peers that were getting a content have not sent the whole.</summary>
/// <param name="message">What happened.</param>
/// <param name="isStalled">True when they still claimed to be getting it.</param>
internal sealed class GrowthEndedException(string message, bool isStalled) : IOException(message)
{
    /// <summary>True when the peers still claimed to be getting the content.</summary>
    public bool IsStalled { get; } = isStalled;
}
