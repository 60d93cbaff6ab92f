using System.Text;
using Google.Protobuf;
using Ipcs.Blockstore.Tables.Wire;
using Ipcs.Multiformats;

namespace Ipcs.Blockstore.Tables;

/// <summary>Encodes records as keys and values of a table, and decodes them. Values: <c>Records.proto</c>.</summary>
internal static class RecordCodec
{
    /// <summary>
    /// The length of the longest reference, in bytes of UTF-8. containerd's own are below 200; without a bound a client's message of 16 MiB
    /// could become a key, and RocksDB keeps keys in memory.
    /// </summary>
    public const int MaxReferenceLength = 16 << 10;

    private static readonly UTF8Encoding StrictUtf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    public static byte[] Key(in Digest digest) => digest.IsDefault
        ? throw new ArgumentException("the default value is no digest", nameof(digest))
        : Encoding.ASCII.GetBytes(digest.ToString());

    public static byte[] Key(in Cid root) => root.IsDefault
        ? throw new ArgumentException("the default value is no CID", nameof(root))
        : root.ToArray();

    /// <summary>Encodes a reference as a key.</summary>
    /// <exception cref="ArgumentException">The reference is empty, too long, or no Unicode text.</exception>
    public static byte[] Key(string reference)
    {
        ArgumentException.ThrowIfNullOrEmpty(reference);
        byte[] key = StrictUtf8.GetBytes(reference);
        return key.Length <= MaxReferenceLength
            ? key
            : throw new ArgumentException($"a reference of {key.Length} bytes is longer than {MaxReferenceLength}", nameof(reference));
    }

    public static byte[] Encode(ContentRecord record)
    {
        ContentValue value = new()
        {
            Kind = (int)record.Kind,
            Root = ByteString.CopyFrom(Key(record.Root)),
            Size = record.Size,
            Profile = record.Profile,
            Owned = record.Owned,
            Complete = record.Complete,
            Retained = record.Retained,
            CreatedAt = record.CreatedAt.UtcTicks,
            UpdatedAt = record.UpdatedAt.UtcTicks,
        };
        foreach ((string name, string text) in record.Labels)
        {
            value.Labels[name] = text;
        }

        return value.ToByteArray();
    }

    public static ContentRecord DecodeContent(ReadOnlySpan<byte> key, byte[] bytes)
    {
        ContentValue value = Parse(ContentValue.Parser, "content", key, bytes);
        if (!Digest.TryParse(Encoding.ASCII.GetString(key), out Digest digest)
            || !Cid.TryParse(value.Root.Span, out Cid root)
            || !Enum.IsDefined((ContentKind)value.Kind)
            || value.Size < 0
            || !TryTime(value.CreatedAt, out DateTimeOffset created)
            || !TryTime(value.UpdatedAt, out DateTimeOffset updated))
        {
            throw Damaged("content", key);
        }

        return new ContentRecord
        {
            Digest = digest,
            Kind = (ContentKind)value.Kind,
            Root = root,
            Size = value.Size,
            Profile = value.Profile,
            Owned = value.Owned,
            Complete = value.Complete,
            Retained = value.Retained,
            CreatedAt = created,
            UpdatedAt = updated,
            Labels = new Dictionary<string, string>(value.Labels, StringComparer.Ordinal),
        };
    }

    public static byte[] Encode(PinRecord record) => new PinValue { Recursive = record.Recursive, Name = record.Name }.ToByteArray();

    public static PinRecord DecodePin(ReadOnlySpan<byte> key, byte[] bytes)
    {
        PinValue value = Parse(PinValue.Parser, "pin", key, bytes);
        return Cid.TryParse(key, out Cid root) ? new PinRecord(root, value.Recursive, value.Name) : throw Damaged("pin", key);
    }

    public static byte[] Encode(IngestRecord record) => new IngestValue
    {
        Total = record.Total,
        Expected = record.Expected,
        StartedAt = record.StartedAt.UtcTicks,
        UpdatedAt = record.UpdatedAt.UtcTicks,
        Offset = record.Offset,
        State = ByteString.CopyFrom(record.State.Span),
    }.ToByteArray();

    public static IngestRecord DecodeIngest(ReadOnlySpan<byte> key, byte[] bytes)
    {
        IngestValue value = Parse(IngestValue.Parser, "ingest", key, bytes);
        if (value.Total < 0 || value.Offset < 0
            || !TryTime(value.StartedAt, out DateTimeOffset started) || !TryTime(value.UpdatedAt, out DateTimeOffset updated))
        {
            throw Damaged("ingest", key);
        }

        return new IngestRecord
        {
            Ref = Encoding.UTF8.GetString(key),
            Total = value.Total,
            Expected = value.Expected,
            StartedAt = started,
            UpdatedAt = updated,
            Offset = value.Offset,
            State = value.State.Memory,
        };
    }

    public static byte[] Encode(ProvideRecord record) => new ProvideValue
    {
        DueAt = record.DueAt.UtcTicks,
        ProvidedAt = record.ProvidedAt?.UtcTicks ?? 0,
        Failures = record.Failures,
    }.ToByteArray();

    public static ProvideRecord DecodeProvide(ReadOnlySpan<byte> key, byte[] bytes)
    {
        ProvideValue value = Parse(ProvideValue.Parser, "provide", key, bytes);
        return Multihash.TryParse(key, out Multihash hash) && TryTime(value.DueAt, out DateTimeOffset due)
            && TryTime(value.ProvidedAt, out DateTimeOffset provided) && value.Failures >= 0
            ? new ProvideRecord
            {
                Key = hash,
                DueAt = due,
                ProvidedAt = value.ProvidedAt == 0 ? null : provided,
                Failures = value.Failures,
            }
            : throw Damaged("provide", key);
    }

    public static byte[] Encode(PeerRecord record)
    {
        PeerValue value = new() { SeenAt = record.SeenAt.UtcTicks };
        foreach (Multiaddr address in record.Addresses.Take(IPeerStore.MaxAddresses))
        {
            value.Addresses.Add(ByteString.CopyFrom(address.Bytes));
        }

        return value.ToByteArray();
    }

    public static PeerRecord DecodePeer(ReadOnlySpan<byte> key, byte[] bytes)
    {
        PeerValue value = Parse(PeerValue.Parser, "peer", key, bytes);
        if (!PeerId.TryParse(key, out PeerId peer) || !TryTime(value.SeenAt, out DateTimeOffset seen))
        {
            throw Damaged("peer", key);
        }

        List<Multiaddr> addresses = [];
        foreach (ByteString encoded in value.Addresses)
        {
            addresses.Add(Multiaddr.TryParse(encoded.Span, out Multiaddr? address) ? address : throw Damaged("peer", key));
        }

        return new PeerRecord { Peer = peer, Addresses = addresses, SeenAt = seen };
    }

    public static StoreException Damaged(string table, ReadOnlySpan<byte> key, Exception? cause = null)
    {
        string name = table is "content" or "ingest" ? Encoding.UTF8.GetString(key) : Convert.ToHexStringLower(key);
        string message = $"the {table} record of '{name}' is damaged";
        return cause is null
            ? new StoreException(message) { IsCorruption = true }
            : new StoreException($"{message}: {cause.Message}", cause) { IsCorruption = true };
    }

    private static T Parse<T>(MessageParser<T> parser, string table, ReadOnlySpan<byte> key, byte[] bytes)
        where T : IMessage<T>
    {
        try
        {
            return parser.ParseFrom(bytes);
        }
        catch (InvalidProtocolBufferException e)
        {
            throw Damaged(table, key, e);
        }
    }

    private static bool TryTime(long ticks, out DateTimeOffset time)
    {
        bool legal = ticks >= 0 && ticks <= DateTime.MaxValue.Ticks;
        time = legal ? new DateTimeOffset(ticks, TimeSpan.Zero) : default;
        return legal;
    }
}
