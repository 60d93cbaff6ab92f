using System.Buffers.Binary;
using System.IO.Compression;
using System.IO.Hashing;

namespace Ipcs.CommandLine.Plot;

/// <summary>An image of 24-bit pixels. Spec: https://www.w3.org/TR/png-3/.</summary>
internal sealed class Raster
{
    private readonly int _width;
    private readonly int _height;
    private readonly byte[] _pixels;

    /// <summary>Makes a white image.</summary>
    public Raster(int width, int height)
    {
        _width = width;
        _height = height;
        _pixels = new byte[3 * width * height];
        _pixels.AsSpan().Fill(0xff);
    }

    /// <summary>Fills the part of a rectangle that is inside the image.</summary>
    public void Fill(int x, int y, int width, int height, int color)
    {
        for (int row = Math.Max(y, 0); row < Math.Min(y + height, _height); row++)
        {
            for (int column = Math.Max(x, 0); column < Math.Min(x + width, _width); column++)
            {
                int at = 3 * ((row * _width) + column);
                (_pixels[at], _pixels[at + 1], _pixels[at + 2]) = ((byte)(color >> 16), (byte)(color >> 8), (byte)color);
            }
        }
    }

    /// <summary>Writes a line of text with its upper left corner at a point.</summary>
    public void Write(int x, int y, string text, int color)
    {
        foreach (char c in text)
        {
            ReadOnlySpan<byte> rows = Font.Glyph(c);
            for (int row = 0; row < Font.Height; row++)
            {
                for (int column = 0; column < Font.Width; column++)
                {
                    if ((rows[row] & (0x80 >> column)) != 0)
                    {
                        Fill(x + column, y + row, 1, 1, color);
                    }
                }
            }

            x += Font.Width;
        }
    }

    /// <summary>Encodes the image as PNG.</summary>
    public byte[] ToPng()
    {
        using var png = new MemoryStream();
        png.Write([0x89, (byte)'P', (byte)'N', (byte)'G', 0x0d, 0x0a, 0x1a, 0x0a]);
        byte[] header = new byte[13];
        BinaryPrimitives.WriteInt32BigEndian(header, _width);
        BinaryPrimitives.WriteInt32BigEndian(header.AsSpan(4), _height);

        // 8 bits per sample, RGB. The other fields have one allowed value each.
        header[8] = 8;
        header[9] = 2;
        Chunk(png, "IHDR"u8, header);
        Chunk(png, "IDAT"u8, Compress());
        Chunk(png, "IEND"u8, []);
        return png.ToArray();
    }

    private byte[] Compress()
    {
        using var bytes = new MemoryStream();
        using (var zlib = new ZLibStream(bytes, CompressionLevel.Optimal, leaveOpen: true))
        {
            for (int row = 0; row < _height; row++)
            {
                // The filter of the row: none.
                zlib.WriteByte(0);
                zlib.Write(_pixels, 3 * _width * row, 3 * _width);
            }
        }

        return bytes.ToArray();
    }

    private static void Chunk(MemoryStream png, ReadOnlySpan<byte> type, byte[] data)
    {
        Span<byte> number = stackalloc byte[4];
        BinaryPrimitives.WriteInt32BigEndian(number, data.Length);
        png.Write(number);
        png.Write(type);
        png.Write(data);
        var crc = new Crc32();
        crc.Append(type);
        crc.Append(data);
        BinaryPrimitives.WriteUInt32BigEndian(number, crc.GetCurrentHashAsUInt32());
        png.Write(number);
    }
}
