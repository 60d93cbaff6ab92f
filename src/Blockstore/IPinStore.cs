using Ipcs.Multiformats;

namespace Ipcs.Blockstore;

/// <summary>Pins by root. Thread-safe.</summary>
public interface IPinStore
{
    /// <summary>Puts or replaces a pin, durably.</summary>
    void Put(PinRecord pin);

    /// <summary>The pin of exactly this root; null when there is none.</summary>
    PinRecord? Get(in Cid root);

    /// <summary>Deletes a pin, durably. False when there is none.</summary>
    bool Delete(in Cid root);

    /// <summary>All pins, as of the call.</summary>
    IEnumerable<PinRecord> Enumerate();
}
