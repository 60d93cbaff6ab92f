using System.Buffers;
using Ipcs.Blockstore.Compression;
using Ipcs.Multiformats;

namespace Ipcs.Blockstore.Rocks;

/// <summary>
/// Puts a store whose files are damaged into a state in which it opens, with everything that can be read. Damaged files are kept beside the
/// store, in a folder whose name ends in <c>.damaged</c>.
/// </summary>
public sealed class StoreRecovery
{
    private readonly string _folder;
    private readonly string _kept;
    private readonly Action<string> _tell;
    private bool _isDamaged;
    private long _lostBlocks;

    private StoreRecovery(string folder, Action<string> tell)
    {
        _folder = folder.TrimEnd('/');
        _kept = _folder + ".damaged";
        _tell = tell;
    }

    /// <summary>Recovers the store in a folder.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="tell">Called with a line of text for each thing that was given up, and the result.</param>
    /// <exception cref="StoreException">The store is in use, of another schema, or there is no room for a copy of it.</exception>
    public static void Run(string folder, Action<string> tell) => new StoreRecovery(folder, tell).Run();

    private void Run()
    {
        if (!Directory.Exists(_folder))
        {
            throw new StoreException($"store {_folder}: there is none");
        }

        using FileStream use = Lock();
        RepairLogs();
        if (!Opens())
        {
            Salvage();
        }

        if (!_isDamaged)
        {
            _tell("nothing is damaged");
        }
    }

    /// <summary>Excludes other processes, as RocksDB does.</summary>
    private FileStream Lock()
    {
        string path = Path.Combine(_folder, "LOCK");
        try
        {
            FileStream file = new(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.ReadWrite);
            if (!OperatingSystem.IsMacOS())
            {
                file.Lock(0, 0);
            }

            return file;
        }
        catch (IOException e)
        {
            throw new StoreException($"store {_folder}: in use by another process: stop the daemon first", e);
        }
        catch (UnauthorizedAccessException e)
        {
            throw new StoreException($"store {_folder}: cannot be opened: {e.Message}", e);
        }
    }

    /// <summary>Rewrites the logs that are damaged before their end, without the damaged records.</summary>
    private void RepairLogs()
    {
        string[] logs = WriteAheadLog.FilesIn(_folder);
        foreach (string log in logs)
        {
            LogReport report = WriteAheadLog.Scan(log);
            if (report.Damage is null && (report.TornBytes == 0 || report.IsCut || log == logs[^1]))
            {
                continue;
            }

            string copy = log + ".new";
            report = WriteAheadLog.Rewrite(log, copy);
            File.Move(log, Path.Combine(KeptFolder(), Path.GetFileName(log)), overwrite: true);
            File.Move(copy, log);
            _tell($"{Path.GetFileName(log)}: {report.LostBytes + report.TornBytes} bytes of damaged records are given up, "
                + $"{report.Records} records are kept");
        }
    }

    private string KeptFolder()
    {
        _isDamaged = true;
        Directory.CreateDirectory(_kept, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        return _kept;
    }

    /// <summary>True when the store opens and its tables can be read.</summary>
    private bool Opens()
    {
        try
        {
            using RocksStore store = RocksStore.Open(_folder);
            foreach (ColumnFamily family in Enum.GetValues<ColumnFamily>())
            {
                Walk(store.Database, family, onDamage: null, static (_, _) => { });
            }

            return true;
        }
        catch (StoreException e) when (e.IsCorruption)
        {
            _tell(e.Message);
            return false;
        }
    }

    /// <summary>Makes a new store of everything in the old one that can be read.</summary>
    private void Salvage()
    {
        long length = new DirectoryInfo(_folder).EnumerateFiles().Sum(file => file.Length);
        long free = new DriveInfo(_folder).AvailableFreeSpace;
        if (free < length)
        {
            throw new StoreException(
                $"store {_folder}: its {length} bytes must be copied, and the disk has room for {free}: nothing more was changed");
        }

        string old = Path.Combine(KeptFolder(), "store");
        if (Directory.Exists(old))
        {
            throw new StoreException($"store {_folder}: {old} is left of an earlier recovery: move it away first");
        }

        Directory.Move(_folder, old);
        using (RocksStore target = RocksStore.Open(_folder))
        {
            CopyTables(old, target);
            foreach (string blobs in Directory.GetFiles(old, "*.blob").Order(StringComparer.Ordinal))
            {
                CopyBlobs(blobs, target);
            }

            _tell($"{target.Contents.Enumerate().Count()} contents, {target.Pins.Enumerate().Count()} pins and "
                + $"{target.GetStatistics().Blocks} blocks are kept; {_lostBlocks} damaged blocks are given up");
            _tell($"the damaged store is kept in {old}: delete it when nothing is missed");
        }
    }

    private void CopyTables(string old, RocksStore target)
    {
        using OptionSet options = new(new RocksStoreOptions());
        using Database? source = OpenOld(old, options);
        if (source is null)
        {
            return;
        }

        foreach (ColumnFamily family in Enum.GetValues<ColumnFamily>().Where(source.Has))
        {
            Walk(source, family, e => _tell($"records are given up: {e.Message}"), (key, value) =>
            {
                if (family != ColumnFamily.Blocks || key[0] == BlockKey.Ingest)
                {
                    target.Database.Put(family, key, value, Durability.Logged);
                }
                else if (key[0] == BlockKey.Length && Multihash.TryParse(key[1..], out Multihash hash))
                {
                    CopyBlock(source, target, hash);
                }
            });
        }
    }

    /// <summary>Opens the old database, or else one that is made of its tables and logs; null when neither can be done.</summary>
    private Database? OpenOld(string old, OptionSet options)
    {
        try
        {
            return Database.Open(old, options);
        }
        catch (StoreException)
        {
            // Its MANIFEST is damaged, or a table at a place that is read at once.
        }

        string tables = Path.Combine(_kept, "tables");
        Directory.CreateDirectory(tables);
        foreach (string file in Directory.GetFiles(old).Where(file => Path.GetExtension(file) is ".sst" or ".log"))
        {
            File.Copy(file, Path.Combine(tables, Path.GetFileName(file)), overwrite: true);
        }

        try
        {
            Database.Rebuild(tables, options);
            return Database.Open(tables, options);
        }
        catch (StoreException e)
        {
            _tell($"all records of contents and pins are given up: {e.Message}");
            return null;
        }
    }

    private void CopyBlock(Database source, RocksStore target, in Multihash hash)
    {
        try
        {
            Span<byte> key = BlockKey.Write(stackalloc byte[BlockKey.MaxLength], BlockKey.Block, hash);
            using PinnedBlock? block = source.Get(ColumnFamily.Blocks, key);
            if (block is not null)
            {
                Store(target, hash, isCompressed: false, block.Memory);
                return;
            }

            key[0] = BlockKey.Compressed;
            using PinnedBlock? frame = source.Get(ColumnFamily.Blocks, key);
            if (frame is not null)
            {
                Store(target, hash, isCompressed: true, frame.Memory);
            }
        }
        catch (StoreException e) when (e.IsCorruption)
        {
            // It may be in a blob file, which is read later.
        }
    }

    private void CopyBlobs(string path, RocksStore target)
    {
        try
        {
            BlobFile.Read(path, (hash, isCompressed, value) =>
            {
                if (!target.Blocks.Has(hash))
                {
                    Store(target, hash, isCompressed, value);
                }
            });
        }
        catch (Exception e) when (e is IOException and not StoreException or UnauthorizedAccessException)
        {
            _tell($"{Path.GetFileName(path)}: the blocks from here on are given up: {e.Message}");
        }
    }

    /// <summary>Stores a block, if its bytes have its hash.</summary>
    private void Store(RocksStore target, in Multihash hash, bool isCompressed, ReadOnlyMemory<byte> value)
    {
        using IMemoryOwner<byte>? plain = isCompressed ? CompressedBlock.TryDecompress(value.Span) : null;
        if (isCompressed ? plain is null || !hash.Verifies(plain.Memory.Span) : !hash.Verifies(value.Span))
        {
            _lostBlocks++;
            return;
        }

        if (isCompressed)
        {
            target.Blocks.PutCompressed(hash, value.Span, bulk: true);
        }
        else
        {
            target.Blocks.Put(hash, value.Span, bulk: true);
        }
    }

    /// <summary>Reads all records of a family, but the values in blob files.</summary>
    private static void Walk(
        Database database, ColumnFamily family, Action<StoreException>? onDamage, ReadOnlySpanPairAction onRecord)
    {
        byte[][] kinds = family == ColumnFamily.Blocks ? [[BlockKey.Counter], [BlockKey.Ingest], [BlockKey.Length]] : [[]];
        foreach (byte[] kind in kinds)
        {
            using RocksIterator iterator = database.Iterate(family, onDamage);
            while (iterator.MoveNext(kind) && iterator.Key.StartsWith(kind))
            {
                onRecord(iterator.Key, iterator.Value);
            }
        }
    }

    private delegate void ReadOnlySpanPairAction(ReadOnlySpan<byte> key, ReadOnlySpan<byte> value);
}
