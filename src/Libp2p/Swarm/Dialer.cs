using System.Collections.Concurrent;
using System.Net.Sockets;
using Ipcs.Libp2p.Dns;
using Ipcs.Libp2p.Transport;
using Ipcs.Multiformats;

namespace Ipcs.Libp2p.Swarm;

/// <summary>
/// Dials addresses: resolves names, tries their end points one after the other, each a moment after the one before, and shares one dial
/// between all callers for the same address. Every phase has a time limit.
/// </summary>
internal sealed class Dialer(
    HostOptions options, Upgrader upgrader, HostCounters counters, ByteCounters bytes, TaskTracker tasks, CancellationToken stopping)
{
    /// <summary>How long a dial may take before the next end point is dialled in parallel.</summary>
    private static readonly TimeSpan Stagger = TimeSpan.FromMilliseconds(300);

    private readonly AddressResolver _resolver = new(options.Dns ?? new SystemDnsResolver(options.Time));
    private readonly DialBackoff _backoff = new(options.Time);
    private readonly ConcurrentDictionary<string, Lazy<Task<Connection>>> _dials = new(StringComparer.Ordinal);
    private readonly SemaphoreSlim _pending = new(options.Limits.MaxPendingOutbound);

    /// <summary>Dials an address. Concurrent calls for one address get the same connection.</summary>
    /// <param name="address">The address.</param>
    /// <param name="force">True to dial an address that has just failed, too.</param>
    /// <param name="find">Finds an existing connection, which makes the dial unnecessary: one may just have been made.</param>
    /// <param name="add">Called once with the new connection; throws when the connection can't be used.</param>
    /// <param name="cancellationToken">Cancels the wait, not the dial.</param>
    /// <exception cref="ConnectException">The dial failed.</exception>
    public async Task<Connection> DialAsync(
        Multiaddr address,
        bool force,
        Func<Multiaddr, Connection?> find,
        Func<Multiaddr, Connection, Task> add,
        CancellationToken cancellationToken)
    {
        string key = address.ToString();
        TimeSpan pause = _backoff.Remaining(key);
        if (!force && pause > TimeSpan.Zero)
        {
            throw new ConnectException($"{address} has just failed and is not tried again for {Math.Ceiling(pause.TotalSeconds)} s");
        }

        Lazy<Task<Connection>> dial = _dials.GetOrAdd(key, k => new Lazy<Task<Connection>>(() =>
        {
            Task<Connection> running = RunAsync(address, k, find, add);
            tasks.Add(running);
            return running;
        }));
        return await dial.Value.WaitAsync(cancellationToken);
    }

    private async Task<Connection> RunAsync(
        Multiaddr address, string key, Func<Multiaddr, Connection?> find, Func<Multiaddr, Connection, Task> add)
    {
        await Task.Yield();
        try
        {
            await _pending.WaitAsync(stopping);
            try
            {
                if (find(address) is { } made)
                {
                    return made;
                }

                Connection connection = await TryAllAsync(address, await ResolveAsync(address));
                await add(address, connection);
                _backoff.Succeeded(key);
                return connection;
            }
            finally
            {
                _pending.Release();
            }
        }
        catch (OperationCanceledException)
        {
            throw new ConnectException($"{address}: this host is stopping");
        }
        catch (ConnectException)
        {
            _backoff.Failed(key);
            counters.AddFailedDial();
            throw;
        }
        finally
        {
            _dials.TryRemove(key, out _);
        }
    }

    private async Task<IReadOnlyList<DialTarget>> ResolveAsync(Multiaddr address)
    {
        using var limit = new Deadline(options.Time, options.ResolveTime, stopping);
        try
        {
            return await _resolver.ResolveAsync(address, limit.Token);
        }
        catch (OperationCanceledException) when (!stopping.IsCancellationRequested)
        {
            throw new ConnectException($"{address}: no answer within {options.ResolveTime.TotalSeconds} s (names)");
        }
        catch (IOException e)
        {
            throw new ConnectException($"{address}: {e.Message}", e);
        }
    }

    /// <summary>Dials the end points until one gives a connection, and cancels the other dials.</summary>
    private async Task<Connection> TryAllAsync(Multiaddr address, IReadOnlyList<DialTarget> targets)
    {
        using var won = CancellationTokenSource.CreateLinkedTokenSource(stopping);
        var running = new List<Task<Connection>>();
        ConnectException? failure = null;
        Connection? winner = null;
        for (int next = 0; winner is null && (next < targets.Count || running.Count > 0);)
        {
            if (next < targets.Count)
            {
                running.Add(TryAsync(address, targets[next++], won.Token));
            }

            Task pause = next < targets.Count ? Task.Delay(Stagger, options.Time, won.Token) : Task.Delay(Timeout.Infinite, won.Token);
            if (await Task.WhenAny([.. running, pause]) is not Task<Connection> done)
            {
                stopping.ThrowIfCancellationRequested();
                continue;
            }

            running.Remove(done);
            try
            {
                winner = await done;
            }
            catch (ConnectException e)
            {
                failure = e;
            }
        }

        await won.CancelAsync();
        foreach (Task<Connection> late in running)
        {
            tasks.Add(CloseAsync(late));
        }

        return winner ?? throw failure!;
    }

    private async Task<Connection> TryAsync(Multiaddr address, DialTarget target, CancellationToken cancellationToken)
    {
        string ip = target.EndPoint.Address.ToString();
        string where = address.ToString().Contains(ip, StringComparison.Ordinal) ? address.ToString() : $"{address} ({target.EndPoint})";
        if (!options.Filter.Allows(target.EndPoint.Address))
        {
            throw new ConnectException($"{where}: the network is not allowed");
        }

        string phase = "connect";
        using var limit = new Deadline(options.Time, options.DialTime, cancellationToken);
        var socket = new Socket(target.EndPoint.AddressFamily, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            await socket.ConnectAsync(target.EndPoint, limit.Token);
            phase = "handshake";
            limit.CancelAfter(options.UpgradeTime);
            Connection connection = await upgrader.UpgradeAsync(new SocketChannel(socket, bytes), inbound: false, limit.Token);
            if (Refusal(connection.Peer, target.Peer) is { } refusal)
            {
                await connection.DisposeAsync();
                throw new ConnectException($"{where}: {refusal}");
            }

            return connection;
        }
        catch (OperationCanceledException e) when (!cancellationToken.IsCancellationRequested)
        {
            socket.Dispose();
            TimeSpan time = phase == "connect" ? options.DialTime : options.UpgradeTime;
            throw new ConnectException($"{where}: no answer within {time.TotalSeconds} s ({phase})", e);
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException or (IOException and not ConnectException))
        {
            socket.Dispose();
            throw new ConnectException($"{where}: {phase} failed: {e.Message}", e);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    private string? Refusal(PeerId found, PeerId? wanted) =>
        wanted is { } id && found != id ? $"{found} answers there, not {id}"
        : found == options.KeyPair.PeerId ? "this is the address of this host itself"
        : options.Filter.Allows(found) ? null : $"{found} is not allowed";

    private static async Task CloseAsync(Task<Connection> late)
    {
        try
        {
            await (await late).DisposeAsync();
        }
        catch (Exception e) when (e is IOException or OperationCanceledException)
        {
            // The dial failed or was cancelled: there is no connection to close.
        }
    }
}
