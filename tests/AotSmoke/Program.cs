using System.Buffers;
using System.Diagnostics;
using System.Security.Cryptography;
using Ipcs.Blockstore;
using Ipcs.Blockstore.Compression;
using Ipcs.Blockstore.Rocks;
using Ipcs.Multiformats;
using Ipcs.Node.Native;
using NSec.Cryptography;

// Tests the native libraries in one binary compiled ahead of time: RocksDB, libzstd, libsodium, OpenSSL. Prints a line `ok` per check; at
// the first failure `not ok` and exit status 1. With a number N it also measures the store with N MiB of blocks of 256 KiB.
NativeLibraries.Initialize();
SignatureAlgorithm algorithm = SignatureAlgorithm.Ed25519;
using (Key key = Key.Create(algorithm))
{
    byte[] signature = algorithm.Sign(key, "ipcs"u8);
    Require(algorithm.Verify(key.PublicKey, "ipcs"u8, signature), "a signature verifies");
    Require(!algorithm.Verify(key.PublicKey, "ipcz"u8, signature), "a signature of something else does not");
}

string sum = Convert.ToHexStringLower(SHA256.HashData("abc"u8));
Require(sum == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", "OpenSSL hashes");

// A frame with one uncompressed block: https://www.rfc-editor.org/rfc/rfc8878#section-3.1.1.
byte[] frame = [0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x58, 0x29, 0x00, 0x00, .. "hello"u8];
using (var zstd = new StreamReader(new ZstdStream(new MemoryStream(frame))))
{
    Require(zstd.ReadToEnd() == "hello", "libzstd decompresses");
}

DirectoryInfo folder = Directory.CreateTempSubdirectory("ipcs-smoke-");
try
{
    byte[] block = RandomNumberGenerator.GetBytes(262_144);
    Multihash hash = Multihash.Sha256(block);
    using (RocksStore store = RocksStore.Open(folder.FullName))
    {
        store.Blocks.Put(hash, block);
        store.Commit(
            new ContentRecord
            {
                Digest = new Digest(hash),
                Kind = ContentKind.Blob,
                Root = Cid.V1(Multicodec.Raw, hash),
                Size = block.Length,
                Owned = true,
            },
            ingestRef: null);
        store.Compact();
    }

    using (RocksStore store = RocksStore.Open(folder.FullName))
    {
        using IMemoryOwner<byte>? got = store.Blocks.Get(hash);
        Require(got is not null && got.Memory.Span.SequenceEqual(block), "a block comes back from RocksDB");
        Require(store.Contents.Get(new Digest(hash))!.Owned, "a content record comes back");
        if (args.Length > 0)
        {
            Measure(store, int.Parse(args[0]) * 4);
        }
    }
}
finally
{
    folder.Delete(recursive: true);
}

static void Require(bool condition, string what)
{
    if (!condition)
    {
        Console.WriteLine("not ok " + what);
        Environment.Exit(1);
    }

    Console.WriteLine("ok " + what);
}

static void Measure(RocksStore store, int count)
{
    byte[] block = RandomNumberGenerator.GetBytes(262_144);
    Multihash[] hashes = [.. Enumerable.Range(0, count).Select(i => Multihash.Sha256(BitConverter.GetBytes(i)))];
    Stopwatch watch = Stopwatch.StartNew();
    foreach (Multihash hash in hashes)
    {
        hash.Digest[..8].CopyTo(block);
        store.Blocks.Put(hash, block);
    }

    Console.WriteLine($"put {Rate(count, watch)} MB/s");
    foreach (int threads in (int[])[1, 2])
    {
        watch.Restart();
        Parallel.For(0, count, new ParallelOptions { MaxDegreeOfParallelism = threads }, i =>
        {
            using IMemoryOwner<byte>? got = store.Blocks.Get(hashes[i]);
            if (got is null || got.Memory.Length != block.Length)
            {
                throw new InvalidDataException("a block is missing");
            }
        });
        Console.WriteLine($"get {Rate(count, watch)} MB/s by {threads}");
    }

    watch.Restart();
    foreach (Multihash hash in hashes)
    {
        RequireBlock(store.Blocks.Has(hash));
    }

    Console.WriteLine($"has {watch.Elapsed.TotalMicroseconds / count:f2} us");
    Console.WriteLine($"memory {Environment.WorkingSet >> 20} MiB, peak {Process.GetCurrentProcess().PeakWorkingSet64 >> 20} MiB");
    Console.WriteLine(store.GetStatistics());

    static void RequireBlock(bool condition)
    {
        if (!condition)
        {
            throw new InvalidDataException("a block is missing");
        }
    }

    static long Rate(int count, Stopwatch watch) => (long)(count * 262_144L / 1e6 / watch.Elapsed.TotalSeconds);
}
