using System.Buffers.Binary;
using Ipcs.Dag;

namespace Ipcs.ContentApi.Ingests;

/// <summary>
/// The state of an interrupted ingest in its record:
/// <code>version (1 byte) | length of the importer's state (4 bytes, little-endian) | the importer's state | tail</code>
/// The tail is the bytes after the last full chunk, fewer than a chunk has.
/// </summary>
internal static class IngestState
{
    private const byte Version = 1;
    private const int HeaderLength = 5;

    public static byte[] Encode(ReadOnlySpan<byte> importer, ReadOnlySpan<byte> tail)
    {
        byte[] state = new byte[HeaderLength + importer.Length + tail.Length];
        state[0] = Version;
        BinaryPrimitives.WriteInt32LittleEndian(state.AsSpan(1), importer.Length);
        importer.CopyTo(state.AsSpan(HeaderLength));
        tail.CopyTo(state.AsSpan(HeaderLength + importer.Length));
        return state;
    }

    /// <summary>Splits a state into its parts.</summary>
    /// <exception cref="DagFormatException">The state is damaged.</exception>
    public static void Decode(ReadOnlySpan<byte> state, out ReadOnlySpan<byte> importer, out ReadOnlySpan<byte> tail)
    {
        int length = state.Length >= HeaderLength && state[0] == Version ? BinaryPrimitives.ReadInt32LittleEndian(state[1..]) : -1;
        if (length < 0 || length > state.Length - HeaderLength)
        {
            throw new DagFormatException("the state of the ingest is damaged");
        }

        importer = state.Slice(HeaderLength, length);
        tail = state[(HeaderLength + length)..];
    }
}
