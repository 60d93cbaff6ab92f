using System.Text.RegularExpressions;

namespace Ipcs.Architecture.Tests;

/// <summary>Holds the arrows between the rooms: who may reference whom.</summary>
public sealed partial class ArrowTests
{
    // A room may reference what is named here, and through it what that one may.
    private static readonly Dictionary<string, string[]> Arrows = new(StringComparer.Ordinal)
    {
        ["Multiformats"] = [],
        ["Libp2p"] = ["Multiformats"],
        ["Kademlia"] = ["Libp2p"],
        ["Blockstore"] = ["Multiformats"],
        ["Dag"] = ["Blockstore"],
        ["Bitswap"] = ["Libp2p", "Blockstore"],
        ["Oci"] = ["Dag"],
        ["ContentApi"] = ["Dag"],
        ["Fleet"] = ["Bitswap", "Kademlia", "Dag"],
        ["ControlApi"] = ["Fleet", "Oci"],
        ["CommandLine"] = ["Oci"],
        ["Node"] = ["ContentApi", "ControlApi", "CommandLine"],
    };

    public static TheoryData<string> Everyone => [.. Rooms.Names];

    [Fact]
    public void The_rooms_are_the_ones_that_the_arrows_name() =>
        Assert.Equal(Arrows.Keys.Order(StringComparer.Ordinal), Rooms.Names);

    [Theory]
    [MemberData(nameof(Everyone))]
    public void A_room_references_only_what_its_arrows_allow(string room) =>
        Assert.Empty(Rooms.Closure(room, Rooms.References).Except(Allowed(room)));

    [Theory]
    [MemberData(nameof(Everyone))]
    public void A_room_names_no_room_out_of_its_reach(string room)
    {
        HashSet<string> allowed = [room, .. Allowed(room)];
        IEnumerable<string> found =
            from source in Rooms.Sources(room)
            from line in source.Lines
            from Match match in RoomName().Matches(line)
            let other = match.Groups[1].Value
            where Arrows.ContainsKey(other) && !allowed.Contains(other)
            select $"{source.File}: {line.Trim()}";
        Assert.Empty(found);
    }

    [Theory]
    [MemberData(nameof(Everyone))]
    public void A_file_lies_in_the_namespace_of_its_room(string room)
    {
        IEnumerable<string> found =
            from source in Rooms.Sources(room)
            from line in source.Lines
            let match = Namespace().Match(line)
            where match.Success && match.Groups[1].Value != room
            select $"{source.File}: {line.Trim()}";
        Assert.Empty(found);
    }

    [Theory]
    [MemberData(nameof(Everyone))]
    public void Nothing_is_left_unfinished(string room) => Assert.Empty(Lines(room, Unfinished()));

    // What would work in a build for the developer and break in the binary that is shipped, or block a thread of the pool.
    [Theory]
    [MemberData(nameof(Everyone))]
    public void Nothing_needs_reflection_or_sleeps(string room) => Assert.Empty(Lines(room, Forbidden()));

    /// <summary>The lines of a room's sources that match.</summary>
    private static IEnumerable<string> Lines(string room, Regex pattern) =>
        from source in Rooms.Sources(room)
        from line in source.Lines
        where pattern.IsMatch(line)
        select $"{source.File}: {line.Trim()}";

    private static IReadOnlySet<string> Allowed(string room) => Rooms.Closure(room, name => Arrows[name]);

    [GeneratedRegex(@"\bIpcs\.(\w+)")]
    private static partial Regex RoomName();

    [GeneratedRegex(@"^namespace\s+Ipcs\.(\w+)")]
    private static partial Regex Namespace();

    [GeneratedRegex(@"\b(TODO|FIXME|HACK|XXX)\b|NotImplementedException")]
    private static partial Regex Unfinished();

    [GeneratedRegex(@"\bThread\.Sleep\(|\bActivator\.CreateInstance\(|\bAssembly\.Load|using System\.Reflection\.Emit")]
    private static partial Regex Forbidden();
}
