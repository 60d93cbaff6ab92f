using System.Text;
using System.Text.Json.Nodes;
using Ipcs.Blockstore;
using Ipcs.Dag.Import;
using Ipcs.Multiformats;
using Ipcs.TestKit;

namespace Ipcs.Oci.Tests;

/// <summary>Builds images: contents by digest, and the JSON documents that name them.</summary>
internal sealed class TestImage
{
    public const string Gzip = MediaTypes.OciLayer + "+gzip";

    public Dictionary<Digest, byte[]> Contents { get; } = [];

    /// <summary>The descriptor of the manifest or index.</summary>
    public Descriptor Target { get; set; } = new("", default, 0);

    /// <summary>An image of one manifest with layers of these lengths.</summary>
    public static TestImage Simple(params int[] layers)
    {
        var image = new TestImage();
        image.Target = image.Manifest([.. layers.Select((length, i) => image.Put(Gzip, Xs128.Bytes($"layer {i}", length)))]);
        return image;
    }

    public JsonObject Put(string mediaType, byte[] bytes)
    {
        Digest digest = Digest.Sha256(bytes);
        Contents[digest] = bytes;
        return new JsonObject { ["mediaType"] = mediaType, ["digest"] = digest.ToString(), ["size"] = (long)bytes.Length };
    }

    public Descriptor Manifest(
        JsonObject[] layers, Action<JsonObject>? change = null, string mediaType = MediaTypes.OciManifest, string seed = "")
    {
        var config = new JsonObject
        {
            ["architecture"] = "amd64",
            ["os"] = "linux",
            ["config"] = new JsonObject { ["Labels"] = new JsonObject { ["made"] = "by a test" + seed } },
            ["rootfs"] = new JsonObject
            {
                ["type"] = "layers",
                ["diff_ids"] = new JsonArray([.. layers.Select(l => (JsonNode)(string)l["digest"]!)]),
            },
        };
        return Document(mediaType, new JsonObject
        {
            ["schemaVersion"] = 2,
            ["mediaType"] = mediaType,
            ["config"] = Put(MediaTypes.OciConfig, Encoding.UTF8.GetBytes(config.ToJsonString())),
            ["layers"] = new JsonArray([.. layers.Select(l => l.DeepClone())]),
        }, change);
    }

    public Descriptor Document(string mediaType, JsonObject document, Action<JsonObject>? change = null)
    {
        change?.Invoke(document);
        return Descriptor.Parse(Put(mediaType, ImageGraph.Serialize(document)));
    }

    public static JsonObject Entry(Descriptor manifest, string? os = null, string? architecture = null, string? variant = null)
    {
        var entry = new JsonObject
        {
            ["mediaType"] = manifest.MediaType,
            ["digest"] = manifest.Digest.ToString(),
            ["size"] = manifest.Size,
        };
        if (os is not null)
        {
            entry["platform"] = new JsonObject { ["architecture"] = architecture, ["os"] = os };
            if (variant is not null)
            {
                entry["platform"]!["variant"] = variant;
            }
        }

        return entry;
    }

    public Descriptor Index(params JsonObject[] entries) => Document(MediaTypes.OciIndex, new JsonObject
    {
        ["schemaVersion"] = 2,
        ["mediaType"] = MediaTypes.OciIndex,
        ["manifests"] = new JsonArray([.. entries]),
    });

    public JsonObject Json(Digest digest) => ImageGraph.ParseDocument(Contents[digest], digest);

    /// <summary>Puts all contents into a store, as containerd's writes do.</summary>
    public async Task StoreAsync(IStore store, ImportProfile profile)
    {
        foreach ((Digest digest, byte[] bytes) in Contents)
        {
            DagRoot root = await DagImport.FromStreamAsync(
                new MemoryStream(bytes), store.Blocks, profile, alsoHash: null, TestContext.Current.CancellationToken);
            store.Contents.Put(new ContentRecord
            {
                Digest = digest,
                Kind = ContentKind.Blob,
                Root = root.Root,
                Size = root.Size,
                Owned = true,
                Complete = true,
            });
        }
    }

    /// <summary>The image as an OCI layout in a folder, tagged <c>v1</c>.</summary>
    public string WriteLayout(string folder)
    {
        string blobs = Directory.CreateDirectory(Path.Combine(folder, "blobs", "sha256")).FullName;
        foreach ((Digest digest, byte[] bytes) in Contents)
        {
            File.WriteAllBytes(Path.Combine(blobs, digest.ToString()[7..]), bytes);
        }

        JsonObject entry = Entry(Target);
        entry["annotations"] = new JsonObject { ["org.opencontainers.image.ref.name"] = "v1" };
        File.WriteAllText(Path.Combine(folder, "oci-layout"), """{"imageLayoutVersion":"1.0.0"}""");
        var index = new JsonObject { ["schemaVersion"] = 2, ["manifests"] = new JsonArray(entry) };
        File.WriteAllText(Path.Combine(folder, "index.json"), index.ToJsonString());
        return folder;
    }
}
