using Ipcs.Blockstore;
using Ipcs.Dag.Import;
using Ipcs.Multiformats;

namespace Ipcs.Oci.Conversion;

/// <summary>
/// Records converted images in the store: pins, which protect them from garbage collection, and content records, by which peers find
/// them.
/// </summary>
public static class ConvertedStore
{
    /// <summary>
    /// Adds pins and content records for an image whose blocks are all stored, children before parents. Durable on return.
    /// </summary>
    /// <param name="store">The store of its blocks. The caller has held a GC lease on it since before the first of them was stored.</param>
    /// <param name="catalog">Serializes changes of content records.</param>
    /// <param name="image">The converted image.</param>
    /// <param name="name">The name of the pins.</param>
    /// <param name="profile">The profile of the DAGs.</param>
    /// <param name="now">The current time.</param>
    public static void Record(
        IStore store, ContentCatalog catalog, ConvertedImage image, string name, ImportProfile profile, DateTimeOffset now)
    {
        foreach (ConvertedDescriptor content in image.Descriptors)
        {
            // The root of a content of one raw chunk is the chunk, whose hash is that of the bytes.
            ContentKind kind = content.Root.Codec == Multicodec.Raw ? ContentKind.Blob : ContentKind.Dag;
            store.Pins.Put(new PinRecord(content.Root, Recursive: true, $"convert {name}"));
            catalog.Change(content.Converted, there => there switch
            {
                null => new ContentRecord
                {
                    Digest = content.Converted,
                    Kind = kind,
                    Root = content.Root,
                    Size = content.Size,
                    Profile = profile.Name,
                    Complete = true,
                    CreatedAt = now,
                    UpdatedAt = now,
                },
                { Complete: true, Retained: true } => there with { Retained = false },
                { Complete: true } => there,
                _ => there with
                {
                    // What the record had may be a peer's word.
                    Kind = kind,
                    Root = content.Root,
                    Size = content.Size,
                    Profile = profile.Name,
                    Complete = true,
                    UpdatedAt = now,
                },
            });
        }
    }
}
