using Ipcs.Blockstore;
using Ipcs.Dag.Gc;
using Ipcs.Multiformats;

namespace Ipcs.Fleet;

/// <summary>Fetches from the fleet what the store's contents and pins lack.</summary>
internal sealed class StoreRepair(
    IStore store,
    ContentCatalog catalog,
    Func<Digest, CancellationToken, Task> fetch,
    Func<PinRecord, CancellationToken, Task> fetchPin)
{
    /// <summary>Contents and pins that are fetched at a time: those that nobody has take until their time is up.</summary>
    private const int MaxAtATime = 16;

    /// <summary>Fetches what is missing.</summary>
    /// <param name="tell">Called with a line of text for each content and pin that lacks something. Never called concurrently.</param>
    /// <param name="cancellationToken">Stops the repair.</param>
    /// <returns>The number of contents and pins that still lack something.</returns>
    public async Task<int> RunAsync(Action<string> tell, CancellationToken cancellationToken)
    {
        var verifier = new RepoVerifier(store);
        List<ContentRecord> contents = [];
        verifier.MarkIncomplete(catalog, contents.Add, cancellationToken);
        HashSet<Digest> marked = [.. contents.Select(content => content.Digest)];
        contents.AddRange(store.Contents.Enumerate().Where(c => c is { Owned: true, Complete: false } && !marked.Contains(c.Digest)));
        PinRecord[] pins = [.. verifier.BrokenPins(cancellationToken).Select(broken => broken.Pin)];
        List<(string What, Func<CancellationToken, Task> Fetch)> work = [];
        contents.ForEach(content => work.Add(($"content {content.Digest}", stop => fetch(content.Digest, stop))));
        Array.ForEach(pins, pin => work.Add(($"pin {pin.Root}", stop => fetchPin(pin, stop))));
        int lacking = 0;
        var told = new Lock();
        await Parallel.ForEachAsync(
            work,
            new ParallelOptions { MaxDegreeOfParallelism = MaxAtATime, CancellationToken = cancellationToken },
            async (item, stop) =>
            {
                string? failure = null;
                try
                {
                    await item.Fetch(stop);
                }
                catch (Exception e) when (e is not OperationCanceledException || !stop.IsCancellationRequested)
                {
                    failure = e.Message;
                }

                lock (told)
                {
                    lacking += failure is null ? 0 : 1;
                    tell(failure is null ? $"{item.What} is repaired" : $"{item.What} could not be repaired: {failure}");
                }
            });
        return lacking;
    }
}
