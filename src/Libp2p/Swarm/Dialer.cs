using System.Collections.Concurrent;
using System.Net.Sockets;
using Ipcs.Libp2p.Transport;
using Ipcs.Multiformats;

namespace Ipcs.Libp2p.Swarm;

/// <summary>
/// Makes connections to addresses: looks names up, tries what they stand for one after the other without waiting long for each, and lets
/// everybody who wants the same address share one dial. Every phase has its time-out.
/// </summary>
internal sealed class Dialer(HostOptions options, Upgrader upgrader, HostCounters counters, ByteCounters bytes, CancellationToken stopping)
{
    /// <summary>After this the next end point is tried beside the ones before it.</summary>
    private static readonly TimeSpan Stagger = TimeSpan.FromMilliseconds(300);

    private readonly AddressResolver _resolver = new(options.Dns);
    private readonly DialBackoff _backoff = new(options.Time);
    private readonly ConcurrentDictionary<string, Lazy<Task<Connection>>> _dials = new(StringComparer.Ordinal);
    private readonly SemaphoreSlim _pending = new(options.Limits.MaxPendingOutbound);

    /// <summary>Dials. Concurrent calls for one address get the same connection; <paramref name="take"/> is called once for it.</summary>
    /// <param name="address">Where.</param>
    /// <param name="force">True to try even an address that has just failed.</param>
    /// <param name="existing">Finds the connection that makes a dial needless: one may just have been made.</param>
    /// <param name="take">Takes the new connection in, or throws.</param>
    /// <param name="cancellationToken">Ends the wait, not the dial.</param>
    /// <exception cref="ConnectException">It could not be done; the message says where it failed.</exception>
    public async Task<Connection> DialAsync(
        Multiaddr address, bool force, Func<Multiaddr, Connection?> existing, Action<Connection> take, CancellationToken cancellationToken)
    {
        string key = address.ToString();
        TimeSpan pause = _backoff.Remaining(key);
        if (!force && pause > TimeSpan.Zero)
        {
            throw new ConnectException($"{address} has just failed and is not tried again for {Math.Ceiling(pause.TotalSeconds)} s");
        }

        Lazy<Task<Connection>> dial = _dials.GetOrAdd(key, k => new Lazy<Task<Connection>>(() => RunAsync(address, k, existing, take)));
        return await dial.Value.WaitAsync(cancellationToken);
    }

    private async Task<Connection> RunAsync(Multiaddr address, string key, Func<Multiaddr, Connection?> existing, Action<Connection> take)
    {
        await Task.Yield();
        try
        {
            await _pending.WaitAsync(stopping);
            try
            {
                if (existing(address) is { } made)
                {
                    return made;
                }

                Connection connection = await TryAllAsync(address, await ResolveAsync(address));
                take(connection);
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
            throw new ConnectException($"{address}: this node stops");
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
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(stopping);
        limit.CancelAfter(options.ResolveTime);
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

    /// <summary>The first end point that answers wins; the dials beside it are given up.</summary>
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

            Task pause = next < targets.Count ? Task.Delay(Stagger, won.Token) : Task.Delay(Timeout.Infinite, won.Token);
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
            _ = CloseAsync(late);
        }

        return winner ?? throw failure!;
    }

    private async Task<Connection> TryAsync(Multiaddr address, DialTarget target, CancellationToken cancellationToken)
    {
        string ip = target.EndPoint.Address.ToString();
        string where = address.ToString().Contains(ip, StringComparison.Ordinal) ? address.ToString() : $"{address} ({target.EndPoint})";
        if (!options.Filter.Allows(target.EndPoint.Address))
        {
            throw new ConnectException($"{where}: that network is not allowed");
        }

        string phase = "connect";
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(options.DialTime);
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
        : found == options.KeyPair.PeerId ? "that is this node itself"
        : options.Filter.Allows(found) ? null : $"{found} is not allowed";

    private static async Task CloseAsync(Task<Connection> late)
    {
        try
        {
            await (await late).DisposeAsync();
        }
        catch (Exception e) when (e is IOException or OperationCanceledException)
        {
            // It had lost anyway.
        }
    }
}
