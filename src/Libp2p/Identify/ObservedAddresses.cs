using System.Net;
using Ipcs.Multiformats;

namespace Ipcs.Libp2p.Identify;

/// <summary>
/// What peers say they see us as. An address counts once enough of them, each at an address of its own, have said the same; one or two
/// could lie or be wrong. Thread-safe.
/// </summary>
internal sealed class ObservedAddresses
{
    /// <summary>How many observers it takes; as many as other implementations ask for.</summary>
    private const int Observers = 4;

    /// <summary>Addresses kept: peers may make up as many as they like.</summary>
    private const int MaxAddresses = 16;

    private readonly Lock _lock = new();
    private readonly Dictionary<IPAddress, HashSet<IPAddress>> _seen = [];

    /// <summary>The addresses that count.</summary>
    public IReadOnlyList<IPAddress> Confirmed
    {
        get
        {
            lock (_lock)
            {
                return [.. _seen.Where(s => s.Value.Count >= Observers).Select(s => s.Key)];
            }
        }
    }

    /// <summary>Notes what a peer says. True when an address has come to count by it.</summary>
    public bool Add(Multiaddr observed, IPAddress observer)
    {
        if (!observed.TryGetTcp(out string? host, out _) || !IPAddress.TryParse(host, out IPAddress? ip))
        {
            return false;
        }

        lock (_lock)
        {
            if (!_seen.TryGetValue(ip, out HashSet<IPAddress>? observers))
            {
                if (_seen.Count == MaxAddresses)
                {
                    IPAddress? least = _seen.Where(s => s.Value.Count < Observers).MinBy(s => s.Value.Count).Key;
                    if (least is null)
                    {
                        return false;
                    }

                    _seen.Remove(least);
                }

                _seen[ip] = observers = [];
            }

            return observers.Count < Observers && observers.Add(observer) && observers.Count == Observers;
        }
    }
}
