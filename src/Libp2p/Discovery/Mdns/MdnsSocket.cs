using System.Net;
using System.Net.NetworkInformation;
using System.Net.Sockets;

namespace Ipcs.Libp2p.Discovery.Mdns;

/// <summary>
/// A multicast socket (IPv4 or IPv6) on port 5353 that has joined the mDNS group on every multicast interface.
/// Spec: https://www.rfc-editor.org/rfc/rfc6762, sections 3 and 11.
/// </summary>
internal sealed class MdnsSocket : IDisposable
{
    private const int Port = 5353;

    private readonly Socket _socket;
    private readonly bool _v6;
    private readonly IPEndPoint _group;
    private readonly HashSet<int> _joined = [];
    private int[] _interfaces = [];

    private MdnsSocket(Socket socket, bool v6)
    {
        _socket = socket;
        _v6 = v6;
        _group = new IPEndPoint(v6 ? IPAddress.Parse("ff02::fb") : IPAddress.Parse("224.0.0.251"), Port);
    }

    /// <summary>
    /// Opens a socket, sharing the port with other programs; null when the IP version is not available or a program has the port
    /// exclusively.
    /// </summary>
    public static MdnsSocket? TryOpen(bool v6)
    {
        Socket? socket = null;
        try
        {
            socket = new Socket(v6 ? AddressFamily.InterNetworkV6 : AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
            SocketOptionLevel level = v6 ? SocketOptionLevel.IPv6 : SocketOptionLevel.IP;
            if (v6)
            {
                socket.DualMode = false;
            }

            socket.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.ReuseAddress, true);
            socket.SetSocketOption(level, SocketOptionName.MulticastTimeToLive, 255);
            socket.SetSocketOption(level, SocketOptionName.MulticastLoopback, true);
            socket.Bind(new IPEndPoint(v6 ? IPAddress.IPv6Any : IPAddress.Any, Port));
            return new MdnsSocket(socket, v6);
        }
        catch (SocketException)
        {
            socket?.Dispose();
            return null;
        }
    }

    /// <summary>Joins the group on interfaces that are new. Interfaces that are down or fail are skipped.</summary>
    public void JoinInterfaces()
    {
        var usable = new List<int>();
        foreach (int index in Interfaces(_v6))
        {
            if (_joined.Contains(index) || TryJoin(index))
            {
                _joined.Add(index);
                usable.Add(index);
            }
        }

        _joined.IntersectWith(usable);
        _interfaces = [.. usable];
    }

    /// <summary>Receives one datagram and returns its length.</summary>
    public ValueTask<int> ReceiveAsync(Memory<byte> buffer, CancellationToken cancellationToken) =>
        _socket.ReceiveAsync(buffer, SocketFlags.None, cancellationToken);

    /// <summary>Sends a message to the group on every interface, skipping interfaces that fail. One caller at a time.</summary>
    public void Send(ReadOnlySpan<byte> message)
    {
        foreach (int index in _interfaces)
        {
            try
            {
                _socket.SetSocketOption(
                    _v6 ? SocketOptionLevel.IPv6 : SocketOptionLevel.IP,
                    SocketOptionName.MulticastInterface,
                    _v6 ? index : IPAddress.HostToNetworkOrder(index));
                _socket.SendTo(message, SocketFlags.None, _group);
            }
            catch (SocketException)
            {
                // The interface is going down, or its queue is full: the next round repeats the message.
            }
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _socket.Dispose();

    private bool TryJoin(int index)
    {
        try
        {
            if (_v6)
            {
                var group = new IPv6MulticastOption(_group.Address, index);
                _socket.SetSocketOption(SocketOptionLevel.IPv6, SocketOptionName.AddMembership, group);
            }
            else
            {
                _socket.SetSocketOption(SocketOptionLevel.IP, SocketOptionName.AddMembership, new MulticastOption(_group.Address, index));
            }

            return true;
        }
        catch (SocketException e)
        {
            return e.SocketErrorCode == SocketError.AddressAlreadyInUse;
        }
    }

    private static IEnumerable<int> Interfaces(bool v6)
    {
        NetworkInterface[] all;
        try
        {
            all = NetworkInterface.GetAllNetworkInterfaces();
        }
        catch (NetworkInformationException)
        {
            yield break;
        }

        AddressFamily family = v6 ? AddressFamily.InterNetworkV6 : AddressFamily.InterNetwork;
        foreach (NetworkInterface one in all)
        {
            IPInterfaceProperties properties = one.GetIPProperties();
            if (one.OperationalStatus is OperationalStatus.Up or OperationalStatus.Unknown
                && one.SupportsMulticast
                && one.NetworkInterfaceType != NetworkInterfaceType.Loopback
                && properties.UnicastAddresses.Any(a => a.Address.AddressFamily == family))
            {
                yield return v6 ? properties.GetIPv6Properties().Index : properties.GetIPv4Properties().Index;
            }
        }
    }
}
