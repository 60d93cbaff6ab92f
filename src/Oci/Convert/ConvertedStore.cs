using Ipcs.Blockstore;
using Ipcs.Dag.Import;

namespace Ipcs.Oci;

/// <summary>Keeps converted images: pins, which a garbage collection minds, and records, by which the fleet is answered.</summary>
public static class ConvertedStore
{
    /// <summary>Names all contents of an image whose blocks are all here, the manifest last: what is named is whole. Durable on return.</summary>
    /// <param name="store">Where its blocks are. A hold on it is open since before the first of them came.</param>
    /// <param name="updates">Who else changes records of the store.</param>
    /// <param name="image">The image.</param>
    /// <param name="name">What the pins are called.</param>
    /// <param name="profile">What the DAGs were made with.</param>
    public static void Record(IStore store, ContentCatalog updates, ConvertedImage image, string name, ImportProfile profile)
    {
        DateTimeOffset now = TimeProvider.System.GetUtcNow();
        foreach (ConvertedDescriptor content in image.Descriptors)
        {
            store.Pins.Put(new PinRecord(content.Root, Recursive: true, $"convert {name}"));
            updates.Change(content.Converted, there => there switch
            {
                null => new ContentRecord
                {
                    Digest = content.Converted,
                    Kind = ContentKind.Dag,
                    Root = content.Root,
                    Size = content.Size,
                    Profile = profile.Name,
                    Complete = true,
                    CreatedAt = now,
                    UpdatedAt = now,
                },
                { Complete: true } => there,
                _ => there with { Complete = true, UpdatedAt = now },
            });
        }
    }
}
