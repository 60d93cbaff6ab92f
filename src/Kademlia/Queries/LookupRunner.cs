using System.Threading.Channels;
using Ipcs.Kademlia.Wire;
using Ipcs.Multiformats;

namespace Ipcs.Kademlia.Queries;

/// <summary>
/// Runs one <see cref="Lookup"/>: carries out its effects and steps it with the results. Owns the requests, which are all awaited at the
/// end.
/// </summary>
/// <param name="lookup">The lookup.</param>
/// <param name="ask">Asks one peer; returns the peers that it names, or throws <see cref="IOException"/>.</param>
/// <param name="time">The clock.</param>
internal sealed class LookupRunner(Lookup lookup, Func<DhtPeer, CancellationToken, Task<IReadOnlyList<DhtPeer>>> ask, TimeProvider time)
{
    private readonly Channel<LookupInput> _inputs =
        Channel.CreateUnbounded<LookupInput>(new UnboundedChannelOptions { SingleReader = true });
    private readonly Dictionary<PeerId, CancellationTokenSource> _limits = [];
    private readonly List<Task> _requests = [];

    /// <summary>Ends the lookup early: the caller has found what it looks for.</summary>
    public void Stop() => _inputs.Writer.TryWrite(LookupInput.Enough.Instance);

    /// <summary>Runs the lookup to its end and returns the closest peers that answered.</summary>
    public async Task<IReadOnlyList<DhtPeer>> RunAsync(CancellationToken cancellationToken)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        try
        {
            LookupInput input = LookupInput.Tick.Instance;
            var effects = new List<LookupEffect>();
            while (true)
            {
                effects.Clear();
                lookup.Step(time.GetUtcNow(), input, effects);
                foreach (LookupEffect effect in effects)
                {
                    switch (effect)
                    {
                        case LookupEffect.Ask(var peer):
                            Start(peer, stop.Token);
                            break;
                        case LookupEffect.GiveUp(var peer):
                            await _limits[peer].CancelAsync();
                            break;
                        case LookupEffect.Done(var closest):
                            return closest;
                        default:
                            break;
                    }
                }

                input = await NextAsync(cancellationToken);
            }
        }
        finally
        {
            await stop.CancelAsync();
            await Task.WhenAll(_requests).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            foreach (CancellationTokenSource limit in _limits.Values)
            {
                limit.Dispose();
            }
        }
    }

    private void Start(DhtPeer peer, CancellationToken stop)
    {
        var limit = CancellationTokenSource.CreateLinkedTokenSource(stop);
        _limits[peer.Peer] = limit;
        _requests.Add(AskAsync(peer, limit.Token));
    }

    private async Task AskAsync(DhtPeer peer, CancellationToken cancellationToken)
    {
        await Task.Yield();
        LookupInput input;
        try
        {
            input = new LookupInput.Answered(peer.Peer, await ask(peer, cancellationToken));
        }
        catch (Exception e) when (e is IOException or OperationCanceledException)
        {
            input = new LookupInput.Failed(peer.Peer);
        }

        // There is one input per request, and requests are bounded: so is the channel.
        _inputs.Writer.TryWrite(input);
    }

    private async Task<LookupInput> NextAsync(CancellationToken cancellationToken)
    {
        if (_inputs.Reader.TryRead(out LookupInput? ready))
        {
            return ready;
        }

        TimeSpan wait = (lookup.NextTick ?? time.GetUtcNow()) - time.GetUtcNow();
        if (wait <= TimeSpan.Zero)
        {
            return LookupInput.Tick.Instance;
        }

        using var timer = new CancellationTokenSource(wait, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, timer.Token);
        try
        {
            return await _inputs.Reader.ReadAsync(either.Token);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            return LookupInput.Tick.Instance;
        }
    }
}
