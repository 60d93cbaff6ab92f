using System.Net;
using Ipcs.Multiformats;

namespace Ipcs.Libp2p.Identify;

/// <summary>
/// The addresses under which peers see this host. An address is confirmed when enough peers, each with an address of its own, have reported
/// it; one or two peers could be wrong or lie. Thread-safe.
/// </summary>
internal sealed class ObservedAddresses
{
    /// <summary>The number of peers that must report an address; go-libp2p asks for as many.</summary>
    private const int Observers = 4;

    /// <summary>The maximum number of addresses, because peers can invent any number.</summary>
    private const int MaxAddresses = 16;

    private readonly Lock _lock = new();
    private readonly Dictionary<IPAddress, HashSet<IPAddress>> _observers = [];

    /// <summary>The confirmed addresses.</summary>
    public IReadOnlyList<IPAddress> Confirmed
    {
        get
        {
            lock (_lock)
            {
                return [.. _observers.Where(o => o.Value.Count >= Observers).Select(o => o.Key)];
            }
        }
    }

    /// <summary>Notes a report. True when it confirms the address.</summary>
    public bool Add(Multiaddr observed, IPAddress observer)
    {
        if (!observed.TryGetTcp(out string? host, out _) || !IPAddress.TryParse(host, out IPAddress? ip))
        {
            return false;
        }

        lock (_lock)
        {
            if (!_observers.TryGetValue(ip, out HashSet<IPAddress>? observers))
            {
                if (_observers.Count == MaxAddresses)
                {
                    IPAddress? least = _observers.Where(o => o.Value.Count < Observers).MinBy(o => o.Value.Count).Key;
                    if (least is null)
                    {
                        return false;
                    }

                    _observers.Remove(least);
                }

                _observers[ip] = observers = [];
            }

            return observers.Count < Observers && observers.Add(observer) && observers.Count == Observers;
        }
    }
}
