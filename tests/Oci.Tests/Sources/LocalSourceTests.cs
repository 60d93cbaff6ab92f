using System.Formats.Tar;
using System.IO.Compression;
using System.Text;
using System.Text.Json.Nodes;
using Ipcs.Multiformats;
using Ipcs.Oci.Registry;
using Ipcs.Oci.Transports;
using Ipcs.TestKit;

namespace Ipcs.Oci.Tests;

/// <summary>Layout folders, layout archives and docker archives.</summary>
public sealed class LocalSourceTests : IDisposable
{
    private static readonly CancellationToken Stop = TestContext.Current.CancellationToken;
    private readonly TempFolder _folder = new();
    private readonly TestImage _image = TestImage.Simple(1000, 300_000);

    public void Dispose() => _folder.Dispose();

    private static Task<IImageSource> OpenAsync(string text) => ImageTransport.OpenAsync(
        text,
        new ImageTransportOptions
        {
            Registry = new RegistryOptions { Time = TimeProvider.System },
            Containerd = _ => throw new NotSupportedException(),
        },
        Stop);

    [Theory]
    [InlineData("oci-archive:{0}", "a folder, not a file")]
    [InlineData("docker-archive:{0}", "a folder, not a file")]
    [InlineData("oci-archive:/dev/zero", "a device, not a file")]
    [InlineData("docker-archive:/dev/null", "a device, not a file")]
    [InlineData("oci-archive:{0}/link", "a device, not a file")]
    [InlineData("oci:{0}/file", "a file, not a folder")]
    [InlineData("oci:", "is empty")]
    [InlineData("oci-archive:", "is empty")]
    public async Task A_path_of_the_wrong_kind_is_refused_at_once(string form, string problem)
    {
        File.CreateSymbolicLink(_folder["link"], "/dev/zero");
        File.WriteAllText(_folder["file"], "x");
        ImageSourceException error = await Assert.ThrowsAsync<ImageSourceException>(
            () => OpenAsync(string.Format(System.Globalization.CultureInfo.InvariantCulture, form, _folder.Path)));
        Assert.Contains(problem, error.Message, StringComparison.Ordinal);
    }

    private static async Task<Descriptor[]> ReadAllAsync(string text)
    {
        await using IImageSource source = await OpenAsync(text);
        Descriptor target = await source.ResolveAsync(Stop);
        var bytes = new Dictionary<Digest, byte[]>();
        IReadOnlyList<Descriptor> all = await ImageGraph.ExpandAsync(
            target, (digest, _) => source.ReadDocumentAsync(target with { Digest = digest }, Stop), null, Stop);
        foreach (Descriptor d in all)
        {
            await using Stream stream = await source.OpenAsync(d, Stop);
            using var content = new MemoryStream();
            await stream.CopyToAsync(content, Stop);
            Assert.Equal(d.Digest, Digest.Sha256(content.ToArray()));
            bytes[d.Digest] = content.ToArray();
        }

        return [.. bytes.Keys.Select(k => new Descriptor("", k, bytes[k].Length))];
    }

    private string Tar(string name, bool gzip, params (string Path, byte[] Bytes)[] files)
    {
        string file = Path.Combine(_folder.Path, name);
        using Stream output = gzip ? new GZipStream(File.Create(file), CompressionLevel.Fastest) : File.Create(file);
        using var writer = new TarWriter(output, TarEntryFormat.Pax);
        foreach ((string path, byte[] bytes) in files)
        {
            writer.WriteEntry(bytes.AsSpan().StartsWith("-> "u8)
                ? new PaxTarEntry(TarEntryType.SymbolicLink, path) { LinkName = Encoding.UTF8.GetString(bytes)[3..] }
                : new PaxTarEntry(TarEntryType.RegularFile, path) { DataStream = new MemoryStream(bytes) });
        }

        return file;
    }

    private (string, byte[])[] LayoutFiles()
    {
        string folder = _image.WriteLayout(Path.Combine(_folder.Path, "layout"));
        return
        [
            .. Directory.GetFiles(folder, "*", SearchOption.AllDirectories)
                .Select(f => ("./" + Path.GetRelativePath(folder, f), File.ReadAllBytes(f))),
        ];
    }

    [Theory]
    [InlineData("")]
    [InlineData(":v1")]
    public async Task Reads_a_layout(string tag)
    {
        string folder = _image.WriteLayout(Path.Combine(_folder.Path, "with:colon"));
        Assert.Equal(4, (await ReadAllAsync($"oci:{folder}{tag}")).Length);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Reads_a_layout_in_a_tar(bool gzip)
    {
        string file = Tar("image.tar", gzip, LayoutFiles());
        Assert.Equal(4, (await ReadAllAsync($"oci-archive:{file}")).Length);
        Assert.Equal(4, (await ReadAllAsync($"oci-archive:{file}:v1")).Length);
        Assert.Equal(4, (await ReadAllAsync($"docker-archive:{file}")).Length);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Reads_a_docker_archive(bool gzip)
    {
        byte[] one = Xs128.Bytes("one", 100_000), two = Xs128.Bytes("two", 5);
        byte[] packed;
        using (var bytes = new MemoryStream())
        {
            using (var compress = new GZipStream(bytes, CompressionLevel.Fastest))
            {
                compress.Write(two);
            }

            packed = bytes.ToArray();
        }

        string diffIds = $"\"{Digest.Sha256(one)}\",\"{Digest.Sha256(two)}\",\"{Digest.Sha256(one)}\"";
        byte[] config = Encoding.UTF8.GetBytes($$$"""{"os":"linux","architecture":"amd64","rootfs":{"diff_ids":[{{{diffIds}}}]}}""");
        string file = Tar(
            "saved.tar",
            gzip,
            ("a/layer.tar", one),
            ("b/layer.tar", packed),
            ("c/layer.tar", Encoding.UTF8.GetBytes("-> ../a/layer.tar")),
            ("config.json", config),
            ("manifest.json", Encoding.UTF8.GetBytes(
                """[{"Config":"config.json","RepoTags":["app:v1"],"Layers":["a/layer.tar","b/layer.tar","c/layer.tar"]}]""")));
        foreach (string name in (string[])["", ":app:v1", ":docker.io/library/app:v1"])
        {
            await using IImageSource source = await OpenAsync($"docker-archive:{file}{name}");
            Descriptor target = await source.ResolveAsync(Stop);
            JsonObject manifest = ImageGraph.ParseDocument(await source.ReadDocumentAsync(target, Stop), target.Digest);
            Descriptor[] parts = [.. ImageGraph.Parts(manifest).Select(Descriptor.Parse)];
            Assert.Equal(
                [Digest.Sha256(config), Digest.Sha256(one), Digest.Sha256(packed), Digest.Sha256(one)], parts.Select(p => p.Digest));
            Assert.Equal([MediaTypes.OciConfig, MediaTypes.OciLayer, TestImage.Gzip, MediaTypes.OciLayer], parts.Select(p => p.MediaType));
        }

        Assert.Equal(4, (await ReadAllAsync($"docker-archive:{file}")).Length);
        await using IImageSource other = await OpenAsync($"docker-archive:{file}:other:v1");
        await Assert.ThrowsAsync<ImageSourceException>(() => other.ResolveAsync(Stop));
    }

    [Fact]
    public async Task A_blob_that_does_not_match_its_digest_is_an_error()
    {
        string folder = _image.WriteLayout(_folder.Path);
        Descriptor layer = ImageGraph.Children(_image.Json(_image.Target.Digest), null)[^1];
        string file = Path.Combine(folder, "blobs/sha256", layer.Digest.ToString()[7..]);
        byte[] bytes = File.ReadAllBytes(file);
        bytes[7] ^= 1;
        File.WriteAllBytes(file, bytes);
        Assert.Contains(
            "do not match the digest",
            (await Assert.ThrowsAsync<ImageSourceException>(() => ReadAllAsync("oci:" + folder))).Message,
            StringComparison.Ordinal);
        File.WriteAllBytes(file, bytes[..^1]);
        Assert.Contains(
            "ends after",
            (await Assert.ThrowsAsync<ImageSourceException>(() => ReadAllAsync("oci:" + folder))).Message,
            StringComparison.Ordinal);
        File.Delete(file);
        Assert.Contains(
            "lacks",
            (await Assert.ThrowsAsync<ImageSourceException>(() => ReadAllAsync("oci:" + folder))).Message,
            StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("oci:/there/is/none")]
    [InlineData("oci-archive:/there/is/none")]
    [InlineData("docker-archive:/etc/hostname")]
    public async Task A_target_that_is_no_image_is_an_error(string text) =>
        await Assert.ThrowsAsync<ImageSourceException>(() => ReadAllAsync(text));

    [Fact]
    public async Task An_invalid_source_is_a_format_error() => await Assert.ThrowsAsync<FormatException>(() => OpenAsync("What is this?"));

    [Fact]
    public async Task Several_images_need_a_name()
    {
        string folder = _image.WriteLayout(_folder.Path);
        JsonNode index = JsonNode.Parse(File.ReadAllText(Path.Combine(folder, "index.json")))!;
        JsonNode second = index["manifests"]![0]!.DeepClone();
        second["digest"] = Digest.Sha256([1]).ToString();
        second["annotations"]!["org.opencontainers.image.ref.name"] = "v2";
        index["manifests"]!.AsArray().Add(second);
        File.WriteAllText(Path.Combine(folder, "index.json"), index.ToJsonString());
        Assert.Contains(
            "append :TAG",
            (await Assert.ThrowsAsync<ImageSourceException>(() => ReadAllAsync("oci:" + folder))).Message,
            StringComparison.Ordinal);
        Assert.Equal(4, (await ReadAllAsync($"oci:{folder}:v1")).Length);
    }
}
