using System.Net.Sockets;
using Ipcs.Libp2p.Dns;
using Microsoft.Extensions.Logging;

namespace Ipcs.Libp2p.Discovery.Mdns;

/// <summary>
/// Discovers peers in the local network by multicast DNS, and answers their queries: the sockets and the clock for <see cref="MdnsCore"/>.
/// Owns the sockets and their loops; disposal waits for all.
/// </summary>
public sealed partial class MdnsService : IAsyncDisposable
{
    /// <summary>The maximum number of messages decoded a second: a thousand peers send fewer. The rest of a flood is dropped.</summary>
    private const int MaxMessagesPerSecond = 500;

    /// <summary>How often new interfaces are joined.</summary>
    private static readonly TimeSpan JoinInterval = TimeSpan.FromSeconds(15);

    /// <summary>The longest message accepted, in bytes: the maximum for mDNS with jumbo frames (RFC 6762, section 17).</summary>
    private const int MaxDatagram = 9000;

    private static readonly TimeSpan ReceivePause = TimeSpan.FromMilliseconds(50);

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

    /// <summary>Creates the service, which does nothing until it is started.</summary>
    /// <param name="host">The host that the answers announce.</param>
    /// <param name="found">Called for every discovered peer, at most every 30 seconds for each; must not block.</param>
    /// <param name="time">The clock.</param>
    /// <param name="seed">The seed of the host's record name and of the jitter.</param>
    /// <param name="logger">The log.</param>
    public MdnsService(IHost host, Action<FoundPeer> found, TimeProvider time, int seed, ILogger logger)
    {
        _found = found;
        _time = time;
        _logger = logger;
        _core = new MdnsCore(time.GetUtcNow(), host.LocalPeer, () => InterfaceAddresses.Expand(host.ListenAddresses), new Random(seed));
    }

    /// <summary>Opens the sockets. One that can't be opened is only logged, because mDNS is one of several ways of discovery.</summary>
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
                    Handle(message!);
                }
            }
            catch (OperationCanceledException)
            {
                return;
            }
            catch (SocketException e)
            {
                // The datagram was too long, or an interface was removed: the socket still works.
                LogReceiveFailed(e.Message);
                await Task.Delay(ReceivePause, _time, _stopping.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }
    }

    private void Handle(DnsMessage message)
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
                // A failed round must not end discovery.
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
            // A tick is due.
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
            // The loop is awake already.
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

    [LoggerMessage(Level = LogLevel.Warning, Message = "mDNS over {Family} is not available")]
    private partial void LogNoSocket(string family);

    [LoggerMessage(Level = LogLevel.Debug, Message = "mDNS receive failed: {Reason}")]
    private partial void LogReceiveFailed(string reason);

    [LoggerMessage(Level = LogLevel.Warning, Message = "mDNS round failed")]
    private partial void LogTickFailed(Exception error);
}
