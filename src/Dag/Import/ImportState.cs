using System.Buffers;
using Ipcs.Multiformats;

namespace Ipcs.Dag.Import;

/// <summary>
/// The form of an interrupted import:
/// <code>version (1 byte) | CID version | raw leaves | chunk size | max children | durable length | blocks | levels, each: count, then (CID, size, DAG size)...</code>
/// All numbers are varints. It is bounded by the profile: at most <see cref="LevelStack.MaxLevels"/> levels of max children.
/// </summary>
internal static class ImportState
{
    private const byte Version = 1;

    public static byte[] Encode(ImportProfile profile, long durable, LevelStack stack)
    {
        var writer = new ArrayBufferWriter<byte>(1024);
        writer.Write([Version]);
        Put(writer, profile.CidVersion);
        Put(writer, profile.RawLeaves ? 1 : 0);
        Put(writer, profile.ChunkSize);
        Put(writer, profile.MaxChildren);
        Put(writer, durable);
        Put(writer, stack.Blocks);
        Put(writer, stack.Levels.Count);
        foreach (List<DagEntry> level in stack.Levels)
        {
            Put(writer, level.Count);
            foreach (DagEntry entry in level)
            {
                writer.Advance(entry.Cid.Write(writer.GetSpan(Cid.MaxLength)));
                Put(writer, entry.Size);
                Put(writer, entry.DagSize);
            }
        }

        return writer.WrittenSpan.ToArray();
    }

    /// <summary>Fills the stack and returns the durable length.</summary>
    public static long Decode(ReadOnlySpan<byte> state, ImportProfile profile, LevelStack stack)
    {
        if (state.IsEmpty || state[0] != Version)
        {
            throw new DagFormatException("the state of the import is of an unknown version");
        }

        state = state[1..];
        if (Take(ref state) != profile.CidVersion || Take(ref state) != (profile.RawLeaves ? 1 : 0)
            || Take(ref state) != profile.ChunkSize || Take(ref state) != profile.MaxChildren)
        {
            throw new DagFormatException($"the state of the import is not of the profile '{profile.Name}'");
        }

        long durable = Take(ref state);
        long blocks = Take(ref state);
        int count = TakeCount(ref state, LevelStack.MaxLevels);
        var levels = new List<List<DagEntry>>(count);
        UInt128 total = 0;
        for (int i = 0; i < count; i++)
        {
            int entries = TakeCount(ref state, profile.MaxChildren);
            var level = new List<DagEntry>(Math.Min(entries, 256));
            for (int j = 0; j < entries; j++)
            {
                if (Cid.TryRead(state, out Cid cid, out int consumed) != OperationStatus.Done)
                {
                    throw Broken();
                }

                state = state[consumed..];
                level.Add(new DagEntry(cid, Take(ref state), Take(ref state)));
                total += (UInt128)level[^1].Size;
            }

            levels.Add(level);
        }

        if (!state.IsEmpty || total != (UInt128)durable || (count > 0 && levels[^1].Count == 0))
        {
            throw Broken();
        }

        stack.Restore(levels, blocks);
        return durable;
    }

    private static void Put(ArrayBufferWriter<byte> writer, long value) =>
        writer.Advance(Varint.Write(writer.GetSpan(Varint.MaxLength), (ulong)value));

    private static long Take(ref ReadOnlySpan<byte> state)
    {
        if (Varint.TryRead(state, out ulong value, out int consumed) != OperationStatus.Done)
        {
            throw Broken();
        }

        state = state[consumed..];
        return (long)value;
    }

    private static int TakeCount(ref ReadOnlySpan<byte> state, int max)
    {
        long count = Take(ref state);
        return count <= max ? (int)count : throw Broken();
    }

    private static DagFormatException Broken() => new("the state of the import is damaged");
}
