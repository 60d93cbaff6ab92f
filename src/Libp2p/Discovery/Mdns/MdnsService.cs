using System.Net.Sockets;
using Ipcs.Libp2p.Dns;
using Microsoft.Extensions.Logging;

namespace Ipcs.Libp2p.Discovery.Mdns;

/// <summary>
/// Finds peers of the local network by multicast DNS, and is found. The thin shell around <see cref="MdnsCore"/>. Owns the sockets and their loops;
/// all are awaited at disposal.
/// </summary>
public sealed partial class MdnsService : IAsyncDisposable
{
    /// <summary>Messages read a second: a network of a thousand peers stays below; a flood is dropped unread.</summary>
    private const int MaxMessagesPerSecond = 500;

    /// <summary>How often interfaces are looked at again.</summary>
    private static readonly TimeSpan JoinInterval = TimeSpan.FromSeconds(15);

    /// <summary>The longest message taken, in bytes: what mDNS allows on an Ethernet of jumbo frames (RFC 6762, section 17).</summary>
    private const int MaxDatagram = 9000;

    private readonly Lock _lock = new();
    private readonly Action<FoundPeer> _found;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly MdnsCore _core;
    private readonly List<MdnsSocket> _sockets = [];
    private readonly List<Task> _loops = [];
    private readonly SemaphoreSlim _wake = new(0, 1);
    private readonly CancellationTokenSource _stopping = new();
    private long _second;
    private int _inSecond;

    /// <summary>A service that does nothing until it is started.</summary>
    /// <param name="host">Who is to be found.</param>
    /// <param name="found">Told of every peer, some tens of seconds apart at least; must not block.</param>
    /// <param name="time">The clock.</param>
    /// <param name="seed">Of its name and its jitter.</param>
    /// <param name="logger">Where logs go.</param>
    public MdnsService(IHost host, Action<FoundPeer> found, TimeProvider time, int seed, ILogger logger)
    {
        _found = found;
        _time = time;
        _logger = logger;
        _core = new MdnsCore(time.GetUtcNow(), host.LocalPeer, () => InterfaceAddresses.Expand(host.ListenAddresses), new Random(seed));
    }

    /// <summary>Opens the sockets. A machine without multicast, or whose port is taken, only logs it: mDNS is one way of several.</summary>
    public void Start()
    {
        foreach (bool v6 in (ReadOnlySpan<bool>)[false, true])
        {
            if (MdnsSocket.TryOpen(v6) is { } socket)
            {
                socket.JoinInterfaces();
                _sockets.Add(socket);
            }
            else
            {
                LogNoSocket(v6 ? "IPv6" : "IPv4");
            }
        }

        _loops.AddRange(_sockets.Select(ReceiveAsync));
        _loops.Add(TickAsync());
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync();
        await Task.WhenAll(_loops).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _sockets.ForEach(s => s.Dispose());
        _stopping.Dispose();
    }

    private async Task ReceiveAsync(MdnsSocket socket)
    {
        byte[] buffer = new byte[MaxDatagram];
        while (!_stopping.IsCancellationRequested)
        {
            try
            {
                int length = await socket.ReceiveAsync(buffer, _stopping.Token);
                if (IsWithinRate() && DnsMessage.TryDecode(buffer.AsSpan(0, length), out DnsMessage? message))
                {
                    Take(message!);
                }
            }
            catch (OperationCanceledException)
            {
                return;
            }
            catch (SocketException e)
            {
                // A datagram that is too long, or an interface that went: the socket lives on.
                LogReceiveFailed(e.Message);
                await Task.Delay(TimeSpan.FromMilliseconds(50), _time, _stopping.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }
    }

    private void Take(DnsMessage message)
    {
        MdnsStep step;
        DateTimeOffset before, after;
        lock (_lock)
        {
            before = _core.NextTick;
            step = _core.Receive(_time.GetUtcNow(), message);
            after = _core.NextTick;
        }

        if (after < before && _wake.CurrentCount == 0)
        {
            Wake();
        }

        foreach (FoundPeer peer in step.Found)
        {
            _found(peer);
        }
    }

    private async Task TickAsync()
    {
        DateTimeOffset joined = _time.GetUtcNow();
        while (!_stopping.IsCancellationRequested)
        {
            try
            {
                await SleepAsync();
                DateTimeOffset now = _time.GetUtcNow();
                if (now - joined >= JoinInterval)
                {
                    joined = now;
                    _sockets.ForEach(s => s.JoinInterfaces());
                }

                MdnsStep step;
                lock (_lock)
                {
                    step = _core.Tick(now);
                }

                foreach (DnsMessage message in step.Send)
                {
                    byte[] bytes = message.Encode();
                    _sockets.ForEach(s => s.Send(bytes));
                }
            }
            catch (OperationCanceledException)
            {
                return;
            }
            catch (Exception e)
            {
                // Discovery that fails once must be there the next time.
                LogTickFailed(e);
            }
        }
    }

    private async Task SleepAsync()
    {
        TimeSpan sleep;
        lock (_lock)
        {
            sleep = _core.NextTick - _time.GetUtcNow();
        }

        using var timer = new CancellationTokenSource(sleep < TimeSpan.FromMilliseconds(1) ? TimeSpan.FromMilliseconds(1) : sleep, _time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(_stopping.Token, timer.Token);
        try
        {
            await _wake.WaitAsync(either.Token);
        }
        catch (OperationCanceledException) when (!_stopping.IsCancellationRequested)
        {
            // Something is due.
        }
    }

    private void Wake()
    {
        try
        {
            _wake.Release();
        }
        catch (SemaphoreFullException)
        {
            // It is awake already.
        }
    }

    private bool IsWithinRate()
    {
        lock (_lock)
        {
            long second = _time.GetUtcNow().ToUnixTimeSeconds();
            (_second, _inSecond) = second == _second ? (_second, _inSecond + 1) : (second, 1);
            return _inSecond <= MaxMessagesPerSecond;
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "mDNS over {Family} is not possible here")]
    private partial void LogNoSocket(string family);

    [LoggerMessage(Level = LogLevel.Debug, Message = "mDNS receive failed: {Reason}")]
    private partial void LogReceiveFailed(string reason);

    [LoggerMessage(Level = LogLevel.Warning, Message = "a round of mDNS failed")]
    private partial void LogTickFailed(Exception error);
}
