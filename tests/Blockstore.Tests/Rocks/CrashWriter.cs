using System.Globalization;
using System.Runtime.CompilerServices;
using Ipcs.Blockstore.Rocks;
using Ipcs.Multiformats;
using Ipcs.TestKit;

namespace Ipcs.Blockstore.Tests.Rocks;

/// <summary>
/// The process that is killed: this program again, which then does nothing but commit. What it commits follows from a number; once the
/// commit is answered it prints the number.
/// </summary>
internal static class CrashWriter
{
    /// <summary>The folder of the store, a space, and the first number.</summary>
    public const string Variable = "IPCS_TEST_CRASH_WRITER";

#pragma warning disable CA2255 // This test project is a program.
    [ModuleInitializer]
#pragma warning restore CA2255
    internal static void RunIfAsked()
    {
        if (Environment.GetEnvironmentVariable(Variable) is not { Length: > 0 } order)
        {
            return;
        }

        int space = order.LastIndexOf(' ');
        using RocksStore store = RocksStore.Open(order[..space], new RocksStoreOptions { WriteBufferBytes = 1 << 20 });
        for (int number = int.Parse(order.AsSpan(space + 1), CultureInfo.InvariantCulture); ; number++)
        {
            store.Ingests.Put(new IngestRecord { Ref = $"{number}", State = new byte[100] });
            foreach (byte[] block in Blocks(number))
            {
                store.Blocks.Put(Multihash.Sha256(block), block, bulk: number % 3 != 0);
            }

            store.Commit(Record(number), $"{number}");
            if (number % 5 == 4)
            {
                store.Blocks.Delete(Multihash.Sha256(Extra(number)));
            }

            Console.Out.WriteLine(number);
            Console.Out.Flush();
        }
    }

    public static byte[][] Blocks(int number) =>
        [.. Enumerable.Range(0, 1 + (number % 4)).Select(i => Xs128.Bytes($"{number}/{i}", (number * 7919) % 90_000)), Extra(number)];

    public static ContentRecord Record(int number) => new()
    {
        Digest = Digest.Sha256(BitConverter.GetBytes(number)),
        Kind = ContentKind.Blob,
        Root = Cid.V1(Multicodec.Raw, Multihash.Sha256(Blocks(number)[0])),
        Size = number,
        Owned = true,
        Complete = true,
    };

    /// <summary>A block that is deleted after some of the commits.</summary>
    public static byte[] Extra(int number) => Xs128.Bytes($"{number}/extra", 5000);
}
