using Ipcs.TestKit;
using Ipcs.Node.Daemon;
using Ipcs.Node.Options;

namespace Ipcs.Node.Tests.Options;

public sealed class OptionsLoaderTests : IDisposable
{
    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    /// <summary>For every setting a value of the file, one of the environment, one of a flag: none is the default, all differ.</summary>
    public static TheoryData<string, string, string, string> Values() => new()
    {
        { "data", "/d/file", "/d/env", "/d/flag" },
        { "listen", "/ip4/10.0.0.1/tcp/1", "/ip4/10.0.0.1/tcp/2", "/ip4/10.0.0.1/tcp/3" },
        { "peer", "/ip4/10.0.0.1/tcp/1", "/ip4/10.0.0.1/tcp/2", "/dns4/a.example/tcp/3" },
        { "content-socket", "/s/file", "/s/env", "/s/flag" },
        { "api-socket", "/s/file", "/s/env", "/s/flag" },
        { "api-addr", "127.0.0.1:1", "127.0.0.2:2", "[::1]:3" },
        { "muxers", "yamux,mplex", "mplex", "yamux" },
        { "containerd", "/c/file", "/c/env", "/c/flag" },
        { "find-time", "1", "2", "0" },
        { "upload-rate", "1000000", "2000000", "off" },
        { "download-rate", "1000000", "off", "2000000" },
        { "log-level", "debug", "warn", "error" },
    };

    [Theory]
    [MemberData(nameof(Values))]
    public void Flags_override_the_environment_which_overrides_the_file(string name, string file, string environment, string flag)
    {
        string config = Config($"{name} = \"{file}\"\n");
        string variable = "IPCS_" + name.Replace('-', '_').ToUpperInvariant();

        Assert.Equal(file, Shown(Load(config), name));
        Assert.Equal(environment, Shown(Load(config, [(variable, environment)]), name));
        Assert.Equal(flag, Shown(Load(config, [(variable, environment)], (name, flag)), name));
        Assert.Equal(flag, Shown(Load(null, [], (name, flag)), name));
    }

    [Fact]
    public void Every_setting_has_a_help_text()
    {
        NodeOptions defaults = Load(null);
        foreach (Setting setting in Setting.All)
        {
            Assert.Matches("^[a-z]+(-[a-z]+)*$", setting.Name);
            Assert.NotEmpty(setting.Help);
            Assert.NotEmpty(setting.Value);
            if (setting.Show(defaults) is { } value)
            {
                // What is shown can be given.
                setting.Apply(new NodeOptions(), value is System.Text.Json.Nodes.JsonArray list ? [.. list.Select(v =>
                    v!.ToString())] : [value.ToString()]);
            }
        }

        Assert.Equal(Setting.All.Count, Setting.All.Select(s => s.Name).Distinct(StringComparer.Ordinal).Count());
    }

    [Fact]
    public void Each_source_has_its_own_form_of_a_list()
    {
        string config = Config("peer = [\"/ip4/10.0.0.1/tcp/1\", \"/ip4/10.0.0.2/tcp/2\"]\n");
        Assert.Equal("/ip4/10.0.0.1/tcp/1 /ip4/10.0.0.2/tcp/2", Shown(Load(config), "peer"));
        Assert.Equal("/ip4/10.0.0.3/tcp/3 /ip4/10.0.0.4/tcp/4", Shown(
            Load(config, [("IPCS_PEER", "/ip4/10.0.0.3/tcp/3, /ip4/10.0.0.4/tcp/4")]), "peer"));
        Assert.Equal("/ip4/10.0.0.5/tcp/5 /ip4/10.0.0.6/tcp/6", Shown(
            Load(config, [], ("peer", "/ip4/10.0.0.5/tcp/5"), ("peer", "/ip4/10.0.0.6/tcp/6")), "peer"));
    }

    [Fact]
    public void An_empty_variable_sets_nothing() => Assert.Equal(
        "/d/file", Shown(Load(Config("data = \"/d/file\"\n"), [("IPCS_DATA", "")]), "data"));

    [Fact]
    public void The_environment_can_name_the_file()
    {
        string config = Config("data = \"/d/file\"\n");
        Assert.Equal("/d/file", Shown(OptionsLoader.Load(null, Variables([("IPCS_CONFIG", config)]), Flags([])), "data"));
    }

    [Fact]
    public void The_shown_config_can_be_loaded()
    {
        NodeOptions options = Load(
            null,
            [],
            ("data", "/strange \"name\" \\ with\tall é"),
            ("listen", "/ip4/10.0.0.1/tcp/1"),
            ("listen", "/ip6/::1/tcp/2"),
            ("api-addr", "[::1]:5001"),
            ("log-format", "json"),
            ("find-time", "250"));
        string toml = ConfigFile.ToToml(ConfigFile.Document(options));
        Assert.Equal(toml, ConfigFile.ToToml(ConfigFile.Document(Load(Config(toml)))));
        Assert.Contains("find-time = 250\n", toml, StringComparison.Ordinal);
    }

    [Fact]
    public void A_key_of_an_earlier_version_is_named_and_ignored()
    {
        NodeOptions options = Load(Config("info-budget = 50\nfind-time = 70\n"));
        Assert.Equal(["info-budget"], options.RetiredKeys);
        Assert.Equal(TimeSpan.FromMilliseconds(70), options.FindTime);
    }

    [Theory]
    [InlineData("nonsense = 1", "unknown key 'nonsense'")]
    [InlineData("Data = \"/x\"", "unknown key 'Data'")]
    [InlineData("data = [\"/a\", \"/b\"]", "data takes one value")]
    [InlineData("data = \"/a\"\nlog-level = \"info\"\n\"data\" = \"/b\"\n", "(3,1) : error : The key `data` is already defined at (1,1)")]
    [InlineData(
        "peer = [\"/ip4/10.0.0.1/tcp/1\"]\npeer = [\"/ip4/10.0.0.2/tcp/1\"]\n",
        "(2,1) : error : The key `peer` is already defined at (1,1)")]
    [InlineData("data = \"\"", "data: the value is empty")]
    [InlineData("data = 1.5", "data takes a string")]
    [InlineData("[data]\nx = 1", "data takes a string")]
    [InlineData("listen = [\"/ip4/10.0.0.1/udp/1\"]", "listen: '/ip4/10.0.0.1/udp/1' is not a TCP multiaddr")]
    [InlineData("peer = [\"/ip4/10.0.0.1/tcp/0\"]", "peer: '/ip4/10.0.0.1/tcp/0' has port 0")]
    [InlineData("muxers = \"mplex,quic\"", "muxers: 'mplex,quic'")]
    [InlineData("muxers = \"mplex,mplex\"", "muxers: 'mplex,mplex'")]
    [InlineData("find-time = 10001", "find-time: '10001'")]
    [InlineData("find-time = -1", "find-time: '-1'")]
    [InlineData("upload-rate = \"quick\"", "upload-rate: 'quick' is not off or a size")]
    [InlineData("upload-rate = \"1KiB\"", "upload-rate: '1KiB' is less than 128KiB")]
    [InlineData("download-rate = -1", "download-rate: '-1'")]
    [InlineData("log-format = \"xml\"", "log-format: 'xml' is not one of text, json")]
    [InlineData("log-level = \"loud\"", "log-level: 'loud'")]
    [InlineData("profile = \"mine\"", "profile: 'mine'")]
    [InlineData("api-addr = \"5001\"", "api-addr: '5001'")]
    [InlineData("api-addr = \"example.com:5001\"", "api-addr: 'example.com:5001'")]
    [InlineData("api-addr = \"127.0.0.1:65536\"", "api-addr: '127.0.0.1:65536'")]
    [InlineData("api-addr = \"::1:5001\"", "api-addr: '::1:5001'")]
    [InlineData("data = ", ".toml: ")]
    [InlineData("data = \"\\", "an escape sequence is cut off")]
    public void The_error_for_a_bad_file_names_the_file_and_the_key(string text, string expected)
    {
        string config = Config(text);
        string message = Assert.Throws<OptionsException>(() => Load(config)).Message;
        Assert.StartsWith(config, message, StringComparison.Ordinal);
        Assert.Contains(expected, message, StringComparison.Ordinal);
    }

    [Fact]
    public void The_error_for_an_unreadable_file_names_it()
    {
        Assert.Contains("gone.toml", Assert.Throws<OptionsException>(() => Load(_folder["gone.toml"])).Message, StringComparison.Ordinal);
        using (FileStream large = File.Create(_folder["large.toml"]))
        {
            large.SetLength((1 << 20) + 1);
        }

        Assert.Contains(
            "longer than", Assert.Throws<OptionsException>(() => Load(_folder["large.toml"])).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("IPCS_LISTN", "IPCS_LISTEN")]
    [InlineData("IPCS_PEERS", "IPCS_PEER")]
    [InlineData("IPCS_API_SOCKT", "IPCS_API_SOCKET")]
    [InlineData("IPCS_API-SOCKET", "IPCS_API_SOCKET")]
    [InlineData("ipcs_listen", "IPCS_LISTEN")]
    public void The_error_for_a_misspelt_variable_names_the_right_one(string name, string meant)
    {
        string message = Assert.Throws<OptionsException>(() => Load(null, [(name, "x")])).Message;
        Assert.Contains(name, message, StringComparison.Ordinal);
        Assert.Contains(meant, message, StringComparison.Ordinal);
    }

    [Fact]
    public void Unknown_variables_are_listed_and_not_refused()
    {
        Load(null, [("IPCS_BIN", "/x"), ("IPCS_RUN_OF_SOMETHING", "1"), ("IPCSX", "1")]);
        Assert.Equal(["IPCS_RUN_OF_SOMETHING"], OptionsLoader.UnknownVariables(
            ["PATH", "IPCS_DATA", "IPCS_BIN", "IPCS_CONFIG", "IPCS_RUN_OF_SOMETHING"]));
    }

    [Fact]
    public void The_error_for_a_bad_value_names_the_variable_or_the_flag()
    {
        Assert.StartsWith("IPCS_LOG_LEVEL: ", Assert.Throws<OptionsException>(
            () => Load(null, [("IPCS_LOG_LEVEL", "loud")])).Message, StringComparison.Ordinal);
        Assert.StartsWith("--log-level: ", Assert.Throws<OptionsException>(
            () => Load(null, [], ("log-level", "loud"))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void An_api_address_without_a_host_is_on_loopback()
    {
        Assert.Equal("127.0.0.1:5001", Shown(Load(null, [], ("api-addr", ":5001")), "api-addr"));
        Assert.Equal("127.0.0.1:5001", Shown(Load(null, [], ("api-addr", "localhost:5001")), "api-addr"));
    }

    [Fact]
    public void The_path_of_a_socket_is_bounded() =>
        Assert.Throws<OptionsException>(() => Load(null, [], ("api-socket", "/" + new string('x', 107))));

    [Theory]
    [InlineData("20MiB", 20 << 20)]
    [InlineData("20MiB/s", 20 << 20)]
    [InlineData("500KB/s", 500_000)]
    [InlineData("0", 0)]
    [InlineData("off", 0)]
    public void Rates_reach_bitswap(string text, long expected)
    {
        Assert.Equal(expected, Bitswap("upload-rate").UploadRate);
        Assert.Equal(expected, Bitswap("download-rate").DownloadRate);

        Ipcs.Bitswap.BitswapOptions Bitswap(string option) =>
            NodeDaemon.BitswapOptions(Load(null, [], (option, text)), TaskScheduler.Default, seed: 1);
    }

    private static NodeOptions Load(string? config, (string, string)[]? environment = null, params (string Name, string Value)[] flags) =>
        OptionsLoader.Load(config, Variables(environment ?? []), Flags(flags));

    private static Dictionary<string, string> Variables((string Name, string Value)[] pairs) =>
        pairs.ToDictionary(p => p.Name, p => p.Value, StringComparer.Ordinal);

    private static Dictionary<string, IReadOnlyList<string>> Flags((string Name, string Value)[] pairs) =>
        pairs.GroupBy(p => p.Name, StringComparer.Ordinal).ToDictionary(
            g => g.Key, g => (IReadOnlyList<string>)[.. g.Select(p => p.Value)], StringComparer.Ordinal);

    private static string Shown(NodeOptions options, string name) => Setting.All.Single(s => s.Name == name).Show(options) switch
    {
        System.Text.Json.Nodes.JsonArray list => string.Join(' ', list.Select(v => v!.ToString())),
        var value => value?.ToString() ?? "",
    };

    private string Config(string text)
    {
        string file = _folder[$"{Guid.NewGuid():N}.toml"];
        File.WriteAllText(file, text);
        return file;
    }
}
