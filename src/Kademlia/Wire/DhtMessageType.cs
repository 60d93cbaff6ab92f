namespace Ipcs.Kademlia.Wire;

/// <summary>What a message asks for or answers.</summary>
internal enum DhtMessageType
{
    /// <summary>Store a value.</summary>
    PutValue = 0,

    /// <summary>Give a value, or peers closer to its key.</summary>
    GetValue = 1,

    /// <summary>Store that the sender has a content. There is no answer.</summary>
    AddProvider = 2,

    /// <summary>Give who has a content, and peers closer to its key.</summary>
    GetProviders = 3,

    /// <summary>Give the peers closest to a key.</summary>
    FindNode = 4,

    /// <summary>Answer with the same.</summary>
    Ping = 5,
}
