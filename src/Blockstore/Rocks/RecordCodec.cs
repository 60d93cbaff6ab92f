using System.Text;
using Ipcs.Multiformats;

namespace Ipcs.Blockstore.Rocks;

/// <summary>Records as bytes: a version, then the fields in order, strings and arrays with their lengths in front.</summary>
internal static class RecordCodec
{
    private const byte Version = 1;

    public static byte[] Encode(ContentRecord record) => Write(w =>
    {
        w.Write((byte)record.Kind);
        WriteBytes(w, record.Root.ToArray());
        w.Write(record.Size);
        w.Write(record.Profile);
        w.Write(record.Owned);
        w.Write(record.Complete);
        w.Write(record.CreatedAt.UtcTicks);
        w.Write(record.UpdatedAt.UtcTicks);
        w.Write7BitEncodedInt(record.Labels.Count);
        foreach ((string key, string value) in record.Labels)
        {
            w.Write(key);
            w.Write(value);
        }
    });

    public static ContentRecord DecodeContent(ReadOnlySpan<byte> key, ReadOnlySpan<byte> value)
    {
        Digest digest = Multihash.TryParse(key, out Multihash hash) ? new Digest(hash) : throw Damaged("content", key);
        return Read("content", key, value, r =>
        {
            var kind = (ContentKind)r.ReadByte();
            Cid root = ReadCid(r);
            long size = r.ReadInt64();
            string profile = r.ReadString();
            bool owned = r.ReadBoolean();
            bool complete = r.ReadBoolean();
            DateTimeOffset created = ReadTime(r);
            DateTimeOffset updated = ReadTime(r);
            int count = r.Read7BitEncodedInt();
            var labels = new Dictionary<string, string>(StringComparer.Ordinal);
            for (int i = 0; i < count; i++)
            {
                labels[r.ReadString()] = r.ReadString();
            }

            return new ContentRecord
            {
                Digest = digest, Kind = kind, Root = root, Size = size, Profile = profile, Owned = owned, Complete = complete,
                CreatedAt = created, UpdatedAt = updated, Labels = labels,
            };
        });
    }

    public static byte[] Encode(PinRecord pin) => Write(w =>
    {
        w.Write(pin.Recursive);
        w.Write(pin.Name);
    });

    public static PinRecord DecodePin(ReadOnlySpan<byte> key, ReadOnlySpan<byte> value)
    {
        Cid root = Cid.TryParse(key, out Cid cid) ? cid : throw Damaged("pin", key);
        return Read("pin", key, value, r => new PinRecord(root, r.ReadBoolean(), r.ReadString()));
    }

    public static byte[] Encode(IngestRecord ingest) => Write(w =>
    {
        w.Write(ingest.Total);
        w.Write(ingest.Expected);
        w.Write(ingest.StartedAt.UtcTicks);
        w.Write(ingest.UpdatedAt.UtcTicks);
        w.Write(ingest.Offset);
        WriteBytes(w, ingest.State.Span);
    });

    public static IngestRecord DecodeIngest(ReadOnlySpan<byte> key, ReadOnlySpan<byte> value)
    {
        string reference = Encoding.UTF8.GetString(key);
        return Read("ingest", key, value, r => new IngestRecord
        {
            Ref = reference,
            Total = r.ReadInt64(),
            Expected = r.ReadString(),
            StartedAt = ReadTime(r),
            UpdatedAt = ReadTime(r),
            Offset = r.ReadInt64(),
            State = r.ReadBytes(r.Read7BitEncodedInt()),
        });
    }

    private static byte[] Write(Action<BinaryWriter> fields)
    {
        using var stream = new MemoryStream();
        using var writer = new BinaryWriter(stream);
        writer.Write(Version);
        fields(writer);
        writer.Flush();
        return stream.ToArray();
    }

    private static T Read<T>(string what, ReadOnlySpan<byte> key, ReadOnlySpan<byte> value, Func<BinaryReader, T> fields)
    {
        using var reader = new BinaryReader(new MemoryStream(value.ToArray()));
        try
        {
            if (reader.ReadByte() == Version)
            {
                return fields(reader);
            }
        }
        catch (Exception e) when (e is IOException or ArgumentException or FormatException)
        {
            // Said below, with the key.
        }

        throw Damaged(what, key);
    }

    private static DateTimeOffset ReadTime(BinaryReader reader) => new(reader.ReadInt64(), TimeSpan.Zero);

    private static Cid ReadCid(BinaryReader reader) =>
        Cid.TryParse(reader.ReadBytes(reader.Read7BitEncodedInt()), out Cid cid) ? cid : throw new FormatException("no CID");

    private static void WriteBytes(BinaryWriter writer, ReadOnlySpan<byte> bytes)
    {
        writer.Write7BitEncodedInt(bytes.Length);
        writer.Write(bytes);
    }

    private static StoreException Damaged(string what, ReadOnlySpan<byte> key) => new($"the {what} record {Convert.ToHexStringLower(key)} is damaged");
}
