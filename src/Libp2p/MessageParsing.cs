using System.Diagnostics.CodeAnalysis;
using Google.Protobuf;
using Ipcs.Multiformats;

namespace Ipcs.Libp2p;

/// <summary>
/// Decodes the generated messages of other peers. A field of two bytes becomes an object of some 100 bytes, so that the maximum length of
/// a message does not bound the memory that it takes: the fields are counted before anything is allocated.
/// </summary>
public static class MessageParsing
{
    /// <summary>
    /// Decodes a message without its unknown fields. False when it is malformed, has a group, or has more fields than
    /// <paramref name="maxFields"/>.
    /// </summary>
    /// <param name="parser">The generated parser.</param>
    /// <param name="source">The message. The caller has checked its length.</param>
    /// <param name="maxFields">The maximum number of fields, known or not, with those of the nested messages.</param>
    /// <param name="nested">The numbers of the fields that are messages, which have no further messages in them.</param>
    /// <param name="message">The message; null when the result is false.</param>
    public static bool TryParse<T>(
        this MessageParser<T> parser,
        ReadOnlySpan<byte> source,
        int maxFields,
        ReadOnlySpan<int> nested,
        [NotNullWhen(true)] out T? message)
        where T : class, IMessage<T>
    {
        message = null;
        if (!HasFields(source, nested, ref maxFields))
        {
            return false;
        }

        try
        {
            message = parser.WithDiscardUnknownFields(true).ParseFrom(source);
            return true;
        }
        catch (InvalidProtocolBufferException)
        {
            return false;
        }
    }

    /// <summary>True when the source consists of well-formed fields, of which <paramref name="left"/> are allowed.</summary>
    private static bool HasFields(ReadOnlySpan<byte> source, ReadOnlySpan<int> nested, ref int left)
    {
        while (!source.IsEmpty)
        {
            if (--left < 0
                || !ProtoField.TryRead(ref source, out ProtoField field)
                || (field.Wire == ProtoField.Counted && nested.Contains(field.Number) && !HasFields(field.Bytes, [], ref left)))
            {
                return false;
            }
        }

        return true;
    }
}
