using System.Buffers;
using System.Text;
using Ipcs.Multiformats;

namespace Ipcs.Dag.Import;

/// <summary>
/// The serialized state of an interrupted import:
/// <code>
/// version (1 byte) | CID version | raw leaves | layout | max children | chunker: length, text | durable length | blocks
/// | levels, each: count, then (CID, size, DAG size)...
/// </code>
/// All numbers are varints. The profile bounds it: at most <see cref="MaxLevels"/> levels of max children.
/// </summary>
internal static class ImportState
{
    private const byte Version = 2;

    /// <summary>Nodes have at least two children, and file sizes have 63 bits.</summary>
    private const int MaxLevels = 64;

    public static byte[] Encode(ImportProfile profile, long durable, ILayout layout)
    {
        var writer = new ArrayBufferWriter<byte>(1024);
        writer.Write([Version]);
        Put(writer, profile.CidVersion);
        Put(writer, profile.RawLeaves ? 1 : 0);
        Put(writer, (int)profile.Layout);
        Put(writer, profile.MaxChildren);
        Put(writer, profile.Chunker.Text.Length);
        writer.Write(Encoding.ASCII.GetBytes(profile.Chunker.Text));
        Put(writer, durable);
        Put(writer, layout.Blocks);
        Put(writer, layout.Levels.Count);
        foreach (List<DagEntry> level in layout.Levels)
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

    /// <summary>Decodes the levels and returns the durable length.</summary>
    public static long Decode(ReadOnlySpan<byte> state, ImportProfile profile, ILayout layout)
    {
        if (state.IsEmpty || state[0] != Version)
        {
            throw new DagFormatException("the state of the import is of an unknown version");
        }

        state = state[1..];
        if (Take(ref state) != profile.CidVersion || Take(ref state) != (profile.RawLeaves ? 1 : 0)
            || Take(ref state) != (int)profile.Layout || Take(ref state) != profile.MaxChildren
            || !TakeText(ref state, profile.Chunker.Text))
        {
            throw new DagFormatException($"the state of the import is not of the profile '{profile.Name}'");
        }

        long durable = Take(ref state);
        long blocks = Take(ref state);
        int count = TakeCount(ref state, MaxLevels);
        var levels = new List<List<DagEntry>>(count);
        UInt128 total = 0;
        for (int i = 0; i < count; i++)
        {
            int entries = TakeCount(ref state, layout.MaxEntries);
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

        if (!state.IsEmpty || total != (UInt128)durable || !layout.TryRestore(levels, blocks))
        {
            throw Broken();
        }

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

    private static bool TakeText(ref ReadOnlySpan<byte> state, string text)
    {
        int length = (int)Math.Min(Take(ref state), state.Length);
        bool same = Encoding.ASCII.GetString(state[..length]) == text;
        state = state[length..];
        return same;
    }

    private static int TakeCount(ref ReadOnlySpan<byte> state, int max)
    {
        long count = Take(ref state);
        return count <= max ? (int)count : throw Broken();
    }

    private static DagFormatException Broken() => new("the state of the import is damaged");
}
