using System.Reflection;
using Ipcs.Libp2p.Identity;
using Ipcs.Libp2p.Swarm;
using Ipcs.Node.Daemon;
using Ipcs.Node.Options;
using Microsoft.Extensions.Logging.Abstractions;

namespace Ipcs.Node.Tests.Options;

/// <summary>The limits as options: each reaches the host, and only that one.</summary>
public sealed class LimitSettingsTests
{
    private static readonly PropertyInfo[] Limits = [.. typeof(HostLimits).GetProperties().Where(p => p.CanWrite)];

    public static TheoryData<string> Names() => [.. LimitSettings.All.Select(s => s.Name)];

    [Fact]
    public void Every_limit_is_an_option()
    {
        string[] changed = [.. LimitSettings.All.Select(s => Assert.Single(Changed(Given(s.Name, Other(s)))))];
        Assert.Equal(Limits.Select(p => p.Name).Order(StringComparer.Ordinal), changed.Order(StringComparer.Ordinal));
        Assert.All(LimitSettings.All, s => Assert.Contains(s, Setting.All));
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void A_limit_reaches_the_host_and_is_shown(string name)
    {
        Setting setting = LimitSettings.All.Single(s => s.Name == name);
        string value = Other(setting);
        NodeOptions options = Given(name, value);
        PropertyInfo limit = Limits.Single(p => p.Name == Assert.Single(Changed(options)));
        KeyPair key = KeyPair.Generate();
        HostLimits host = NodeDaemon.HostOptions(options, key, NullLoggerFactory.Instance, TimeProvider.System, seed: 1).Limits;
        Assert.Equal(value, limit.GetValue(host)!.ToString());
        Assert.Equal(value, setting.Show(options)!.ToString());
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void The_error_for_a_bad_value_names_the_flag_and_its_bounds(string name)
    {
        foreach (string bad in new[] { "", "0", "-1", "off", "many", "1.5", "20000000000000000000", "9000TiB" })
        {
            string message = Assert.Throws<OptionsException>(() => Given(name, bad)).Message;
            Assert.StartsWith($"--{name}: ", message, StringComparison.Ordinal);
            Assert.Contains(bad, message, StringComparison.Ordinal);
        }
    }

    private static string Other(Setting setting) => setting.Value == "SIZE" ? (5 << 20).ToString(
        System.Globalization.CultureInfo.InvariantCulture) : "77";

    private static NodeOptions Given(string name, string value) =>
        OptionsLoader.Load(null, new Dictionary<string, string>(), new Dictionary<string, IReadOnlyList<string>> { [name] = [value] });

    private static IEnumerable<string> Changed(NodeOptions options) =>
        Limits.Where(p => !Equals(p.GetValue(options.Limits), p.GetValue(new HostLimits()))).Select(p => p.Name);
}
