using System.Globalization;
using Ipcs.Fleet.Tests;

namespace Ipcs.EndToEnd.Liar;

/// <summary>
/// A peer that does not give what it claims: <c>Liar LISTEN FOLDER WAY [GOOD]</c>. It claims the files of a folder as contents, and lies in
/// a way of <see cref="LyingWay"/>; <c>bits</c> after GOOD right blocks. Prints <c>ready PEER</c>, a line <c>false</c> per false block and
/// a line
/// <c>gone</c> per peer that disconnects.
/// </summary>
internal static class Program
{
    private static async Task Main(string[] args)
    {
        LyingWay way = Enum.Parse<LyingWay>(args[2], ignoreCase: true);
        int good = args.Length > 3 ? int.Parse(args[3], CultureInfo.InvariantCulture) : 0;
        await using LyingPeer liar = await LyingPeer.StartAsync(way, TimeProvider.System, args[0], good);
        liar.OnFalse = () => Console.WriteLine("false");
        liar.Host.PeerDisconnected += _ => Console.WriteLine("gone");
        foreach (string file in Directory.GetFiles(args[1]))
        {
            await liar.ClaimAsync(await File.ReadAllBytesAsync(file));
        }

        Console.WriteLine($"ready {liar.Host.LocalPeer}");
        await Task.Delay(Timeout.Infinite);
    }
}
