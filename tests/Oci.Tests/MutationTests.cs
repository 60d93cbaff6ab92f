using System.Formats.Tar;
using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using Ipcs.Multiformats;
using Ipcs.Oci.Credentials;
using Ipcs.Oci.Registry;
using Ipcs.Oci.Sources;
using Ipcs.TestKit;

namespace Ipcs.Oci.Tests;

/// <summary>
/// Reads mutations of the seeds in tests/Fuzz/oci.txt as answers of registries, archives and files of the host. Each is accepted, or
/// refused with an <see cref="ImageSourceException"/>.
/// </summary>
public sealed class MutationTests
{
    private const string File = "oci.txt";

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public void Mutated_documents() => Corpus.Try(File, "document", bytes => Refusable(() =>
    {
        Digest digest = Digest.Sha256(bytes);
        JsonObject document = ImageGraph.ParseDocument(bytes, digest);
        Refusable(() => ImageGraph.TargetDescriptor(bytes, digest, bytes.Length));
        Refusable(() => ImageGraph.Children(document, "linux/arm"));
        Refusable(() => ImageGraph.Children(document, platform: null));
    }));

    [Fact]
    public void Random_references_are_refused_or_parsed() => Corpus.Try(File, "reference", bytes =>
    {
        if (Reference.TryParse(Encoding.UTF8.GetString(bytes), out Reference? reference))
        {
            Assert.True(Reference.TryParse(reference.ToString(), out Reference? again), reference.ToString());
            Assert.Equal(reference, again);
            _ = new Uri($"https://{reference.Host}/v2/{reference.Repository}/manifests/{reference.Target}");
        }
    });

    [Fact]
    public void Mutated_challenges() => Corpus.Try(File, "challenge", bytes =>
    {
        using var answer = new HttpResponseMessage(HttpStatusCode.Unauthorized);
        answer.Headers.TryAddWithoutValidation("WWW-Authenticate", Encoding.Latin1.GetString(bytes));
        _ = Challenge.Best(answer.Headers.WwwAuthenticate);
    });

    [Fact]
    public void Hosts_files()
    {
        using var folder = new TempFolder();
        Assert.True(Reference.TryParse("registry.example/a/b:c", out Reference? reference));
        var options = new RegistryOptions { Time = TimeProvider.System, HostsFolder = folder.Path };
        Corpus.Try(File, "hosts", bytes =>
        {
            folder.File("registry.example/hosts.toml", Encoding.UTF8.GetString(bytes));
            Refusable(() => Assert.NotEmpty(RegistryHosts.Find(reference!, options)));
        });
    }

    [Fact]
    public void Login_files()
    {
        using var folder = new TempFolder();
        var logins = new CredentialFiles([Path.Combine(folder.Path, "config.json")], TimeProvider.System);
        Corpus.Try(File, "login", bytes =>
        {
            folder.File("config.json", Encoding.UTF8.GetString(bytes));
            Refusable(() => _ = logins.FindAsync("registry.example", "a/b", Cancel).GetAwaiter().GetResult());
        });
    }

    [Fact]
    public void Mutated_archives_of_docker()
    {
        using var folder = new TempFolder();
        string file = Path.Combine(folder.Path, "docker.tar");
        Corpus.Try(File, "table", bytes =>
        {
            using (var tar = new TarWriter(System.IO.File.Create(file)))
            {
                tar.WriteEntry(new PaxTarEntry(TarEntryType.RegularFile, "manifest.json") { DataStream = new MemoryStream(bytes) });
            }

            foreach (string name in (string[])["", ":a:b"])
            {
                Refusable(() =>
                {
                    IImageSource source = ArchiveSource.OpenDockerAsync(file + name, Cancel).GetAwaiter().GetResult();
                    _ = source.ResolveAsync(Cancel).GetAwaiter().GetResult();
                });
            }
        });
    }

    [Fact]
    public void Mutated_archives()
    {
        using var folder = new TempFolder();
        string file = Path.Combine(folder.Path, "archive.tar");
        Corpus.Try(File, "archive", bytes =>
        {
            System.IO.File.WriteAllBytes(file, bytes);
            Refusable(() =>
            {
                TarFiles files = TarFiles.ReadAsync(file, Cancel).GetAwaiter().GetResult();
                foreach (string name in (string[])["manifest.json", "l.tar"])
                {
                    Refusable(() => _ = LayoutDocument.ReadAsync(files, name, Cancel).GetAwaiter().GetResult());
                }
            });
        });
    }

    private static void Refusable(Action action)
    {
        try
        {
            action();
        }
        catch (ImageSourceException)
        {
            // The input is refused.
        }
    }
}
