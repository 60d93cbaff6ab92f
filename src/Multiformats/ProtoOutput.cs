using System.Buffers;

namespace Ipcs.Multiformats;

/// <summary>Appends fields of a protobuf message to a growing buffer, by <see cref="ProtoWriter"/>.</summary>
public static class ProtoOutput
{
    /// <summary>Writes a varint field.</summary>
    public static void WriteNumber(this ArrayBufferWriter<byte> output, int number, ulong value)
    {
        var writer = new ProtoWriter(output.GetSpan(ProtoWriter.MaxTag + ProtoWriter.MaxVarint));
        writer.VarintField(number, value);
        output.Advance(writer.Written);
    }

    /// <summary>Writes a field of bytes.</summary>
    public static void WriteBytes(this ArrayBufferWriter<byte> output, int number, ReadOnlySpan<byte> bytes)
    {
        output.WriteHead(number, bytes.Length);
        output.Write(bytes);
    }

    /// <summary>Writes the tag and length of a field of bytes; the caller writes the bytes.</summary>
    public static void WriteHead(this ArrayBufferWriter<byte> output, int number, int length)
    {
        var writer = new ProtoWriter(output.GetSpan(ProtoWriter.MaxTag + ProtoWriter.MaxVarint));
        writer.BytesHead(number, length);
        output.Advance(writer.Written);
    }

    /// <summary>The encoded length of a field of <paramref name="length"/> bytes.</summary>
    public static int BytesLength(int number, int length) =>
        ProtoWriter.VarintLength((uint)number << 3) + ProtoWriter.VarintLength((ulong)length) + length;
}
