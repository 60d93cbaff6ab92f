namespace Ipcs.Kademlia.Wire;

/// <summary>The type of a request and of its answer.</summary>
internal enum DhtMessageType
{
    /// <summary>Stores a value.</summary>
    PutValue = 0,

    /// <summary>Asks for a value, and for peers closer to its key.</summary>
    GetValue = 1,

    /// <summary>Announces the sender as a provider of a content. Has no answer.</summary>
    AddProvider = 2,

    /// <summary>Asks for the providers of a content, and for peers closer to its key.</summary>
    GetProviders = 3,

    /// <summary>Asks for the peers closest to a key.</summary>
    FindNode = 4,

    /// <summary>Asks whether the peer is alive. The answer is the same message.</summary>
    Ping = 5,
}
