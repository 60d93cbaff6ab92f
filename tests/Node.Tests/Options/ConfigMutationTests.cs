using Ipcs.Node.Options;
using Ipcs.TestKit;

namespace Ipcs.Node.Tests.Options;

/// <summary>
/// Mutations of the seeds in tests/Fuzz/node.txt: a config file is loaded and what is shown of it loads again, or it is refused in one
/// line.
/// </summary>
public sealed class ConfigMutationTests
{
    private static readonly Dictionary<string, string> NoVariables = [];
    private static readonly Dictionary<string, IReadOnlyList<string>> NoFlags = [];

    [Fact]
    public void Mutated_config_files_are_read_or_refused()
    {
        using var folder = new TempFolder();
        Corpus.Try("node.txt", "config", bytes =>
        {
            File.WriteAllBytes(folder["c.toml"], bytes);
            NodeOptions options;
            try
            {
                options = OptionsLoader.Load(folder["c.toml"], NoVariables, NoFlags);
            }
            catch (OptionsException e)
            {
                Assert.StartsWith(folder["c.toml"], e.Message, StringComparison.Ordinal);
                return;
            }

            File.WriteAllText(folder["again.toml"], ConfigFile.ToToml(ConfigFile.Document(options)));
            Assert.Equal(ConfigFile.Document(options).ToJsonString(), ConfigFile.Document(
                OptionsLoader.Load(folder["again.toml"], NoVariables, NoFlags)).ToJsonString());
        });
    }
}
