using System.Net;
using CsCheck;
using Ipcs.Libp2p.Swarm;

namespace Ipcs.Libp2p.Tests.Swarm;

/// <summary>Which connections are closed, and which are refused. A table of 64 has its marks at 56 and 48.</summary>
public sealed class ConnectionPolicyTests
{
    private const int Most = 64, High = 56, Low = 48;

    private static readonly TimeSpan Grace = TimeSpan.FromSeconds(20);
    private static readonly ConnectionPolicy Policy = new(Most, Grace);
    private static readonly IPAddress Crowded = IPAddress.Parse("192.0.2.1"), Elsewhere = IPAddress.Parse("198.51.100.1");

    /// <summary>An inbound connection that is older than the grace period and has never been used.</summary>
    private static readonly ConnectionFacts Old = new(Crowded, Protected: false, Dialled: false, TimeSpan.FromHours(1), Idle: null, false);

    private static readonly ConnectionFacts New = Old with { Age = TimeSpan.Zero };
    private static readonly ConnectionFacts Stranger = New with { Network = Elsewhere };

    [Fact]
    public void Below_the_high_mark_nothing_is_closed() => Assert.Equal([], Policy.Admit(Many(High - 1, Old), Stranger)!);

    [Fact]
    public void At_the_high_mark_old_connections_are_closed_down_to_the_low_mark()
    {
        Assert.Equal((High, Low), (Policy.High, Policy.Low));
        Assert.Equal(High - Low, Policy.Admit(Many(High, Old), Stranger)!.Count);
        Assert.Equal(Most - Low, Policy.Admit(Many(Most, Old), Stranger)!.Count);
    }

    [Fact]
    public void A_connection_is_not_closed_as_useless_within_the_grace_period()
    {
        ConnectionFacts[] open = [.. Many(High - 3, New), .. Many(3, Old)];
        Assert.Equal([High - 3, High - 2, High - 1], Policy.Admit(open, New)!.Order());
        Assert.Null(Policy.Admit(Many(High, New), New));
    }

    [Fact]
    public void The_places_above_the_high_mark_are_for_own_dials_and_protected_peers()
    {
        ConnectionFacts[] open = Many(High, New);
        Assert.Null(Policy.Admit(open, New));
        Assert.Equal([], Policy.Admit(open, New with { Dialled = true })!);
        Assert.Equal([], Policy.Admit(open, New with { Protected = true })!);
    }

    [Fact]
    public void An_own_dial_displaces_an_inbound_connection_of_a_full_table()
    {
        ConnectionFacts[] open = Many(Most, New with { Dialled = true });
        ConnectionFacts dial = Stranger with { Dialled = true };
        Assert.Null(Policy.Admit(open, dial));
        open[7] = New;
        Assert.Equal([7], Policy.Admit(open, dial)!);
        open[7] = New with { Credited = true };
        Assert.Null(Policy.Admit(open, dial));
    }

    [Fact]
    public void A_protected_peer_displaces_any_that_is_not_protected()
    {
        ConnectionFacts guarded = New with { Protected = true };
        ConnectionFacts[] open = Many(Most, guarded);
        Assert.Null(Policy.Admit(open, guarded));
        open[9] = New with { Dialled = true, Credited = true, Idle = TimeSpan.Zero };
        Assert.Equal([9], Policy.Admit(open, guarded)!);
        open[8] = New;
        Assert.Equal([8], Policy.Admit(open, guarded)!);
    }

    [Fact]
    public void One_network_that_fills_the_table_makes_room_for_others_and_not_for_itself()
    {
        ConnectionFacts[] open = Many(High, New);
        Assert.Null(Policy.Admit(open, New));
        Assert.Single(Policy.Admit(open, Stranger)!);

        // Two networks share it.
        open = [.. Many(High / 2, New), .. Many(High / 2, Stranger)];
        Assert.Null(Policy.Admit(open, New));
        Assert.Null(Policy.Admit(open, Stranger));
        open = [.. Many((High / 2) + 1, New), .. Many((High / 2) - 1, Stranger)];
        int closed = Assert.Single(Policy.Admit(open, Stranger)!);
        Assert.Equal(Crowded, open[closed].Network);
    }

    [Theory]
    [InlineData("unused before used")]
    [InlineData("crowded before alone")]
    [InlineData("inbound before dialled")]
    [InlineData("idle before busy")]
    [InlineData("newer before older")]
    [InlineData("used before credited")]
    public void The_order_of_closing(string what)
    {
        TimeSpan hour = TimeSpan.FromHours(1), minute = TimeSpan.FromMinutes(1);
        ConnectionFacts used = Old with { Idle = minute };
        (ConnectionFacts first, ConnectionFacts last) = what switch
        {
            "unused before used" => (Old with { Network = Elsewhere }, used),
            "crowded before alone" => (used, used with { Network = Elsewhere }),
            "inbound before dialled" => (used with { Idle = minute / 2 }, used with { Dialled = true }),
            "idle before busy" => (used with { Idle = hour }, used),
            "newer before older" => (used, used with { Age = 2 * hour }),
            _ => (used, used with { Credited = true, Idle = hour }),
        };

        // Two of these among protected ones; each stays when the other is there.
        ConnectionFacts[] open = Many(Most, New with { Protected = true });
        open[3] = last;
        open[5] = first;
        Assert.Equal([5, 3], Policy.Admit(open, Stranger with { Protected = true })!);
    }

    [Fact]
    public void A_network_pays_for_its_number_until_all_have_as_many()
    {
        ConnectionFacts[] open = [.. Many(30, Old), .. Enumerable.Range(0, 26).Select(i => Old with { Network = new IPAddress(i) })];
        IReadOnlyList<int> closed = Policy.Admit(open, Stranger)!;
        Assert.All(closed, i => Assert.Equal(Crowded, open[i].Network));
        Assert.Equal(High - Low, closed.Count);
    }

    [Fact]
    public void A_table_without_places_accepts_nothing() => Assert.Null(new ConnectionPolicy(0, Grace).Admit([], New));

    [Fact]
    public void Whatever_is_open_no_protected_connection_is_closed_and_the_table_never_grows_over_its_limit()
    {
        Gen<ConnectionFacts> facts = Gen.Select(
            Gen.Int[0, 5], Gen.Bool, Gen.Bool, Gen.Int[0, 60], Gen.Int[-1, 60], Gen.Bool,
            (network, guarded, dialled, age, idle, credited) => new ConnectionFacts(
                new IPAddress(network),
                guarded,
                dialled,
                TimeSpan.FromSeconds(age),
                idle < 0 ? null : TimeSpan.FromSeconds(Math.Min(idle, age)),
                credited));
        Gen.Select(facts.Array[0, 24], facts, Gen.Int[0, 24]).Sample((open, added, most) =>
        {
            if (open.Length > most)
            {
                return;
            }

            if (new ConnectionPolicy(most, Grace).Admit(open, added) is not { } closed)
            {
                return;
            }

            Assert.Equal(closed.Count, closed.Distinct().Count());
            Assert.All(closed, i => Assert.False(open[i].Protected));
            Assert.InRange(open.Length - closed.Count + 1, 1, most);
        });
    }

    private static ConnectionFacts[] Many(int count, ConnectionFacts facts) => [.. Enumerable.Repeat(facts, count)];
}
