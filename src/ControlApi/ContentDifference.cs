using System.Text.Json.Nodes;
using Ipcs.Blockstore;
using Ipcs.Multiformats;
using Ipcs.Oci.Containerd;

namespace Ipcs.ControlApi;

/// <summary>A content that containerd and ipcs do not agree about, and what became of it.</summary>
/// <param name="Digest">The digest.</param>
/// <param name="Size">The length in bytes.</param>
/// <param name="Problem">
/// What is wrong in one word: <c>missing</c>, <c>incomplete</c>, <c>damaged</c> or <c>unowned</c> in ipcs, or <c>unrecorded</c> in
/// containerd.
/// </param>
/// <param name="Reason">The same as a text.</param>
/// <param name="Records">containerd's records of it; none when it is unrecorded.</param>
/// <param name="Here">The record of ipcs; null when there is none.</param>
internal sealed record ContentDifference(
    Digest Digest, long Size, string Problem, string Reason, IReadOnlyList<RecordedContent> Records, ContentRecord? Here)
{
    /// <summary>How it was put right: <c>fetched</c>, <c>owned</c>, <c>dropped</c> or <c>released</c>; null when it was not.</summary>
    public string? Fix { get; init; }

    /// <summary>Why it could not be put right; null when it was, or when nobody tried.</summary>
    public string? Error { get; init; }

    /// <summary>One document for each namespace that records it.</summary>
    public IEnumerable<JsonObject> Documents(IReadOnlyDictionary<(string Space, Digest Digest), List<string>> images)
    {
        foreach (RecordedContent? record in Records.DefaultIfEmpty<RecordedContent?>(null))
        {
            var document = new JsonObject
            {
                ["namespace"] = record?.Space,
                ["digest"] = Digest.ToString(),
                ["size"] = Size,
                ["problem"] = Problem,
                ["reason"] = Reason,
            };
            if (record is not null && images.TryGetValue((record.Space, Digest), out List<string>? names))
            {
                document["images"] = new JsonArray([.. names.Select(name => (JsonNode)name)]);
            }

            if (Fix is not null)
            {
                document["fix"] = Fix;
            }

            if (Error is not null)
            {
                document["error"] = Error;
            }

            yield return document;
        }
    }
}
