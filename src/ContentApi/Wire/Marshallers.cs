using Google.Protobuf;
using Grpc.Core;
using Ipcs.ContentApi.Rpc;

namespace Ipcs.ContentApi.Wire;

/// <summary>How messages become bytes and back, straight from and into the connection's buffers.</summary>
internal static class Marshallers
{
    /// <summary>Requests of Write, into rented arrays.</summary>
    public static readonly Marshaller<WriteRequest> WriteRequest = new(
        static (_, _) => throw new NotSupportedException("a server writes no requests"),
        static context => Checked(static context => Wire.WriteRequest.Parse(context.PayloadAsReadOnlySequence()), context));

    /// <summary>Replies of Read, from lent bytes.</summary>
    public static readonly Marshaller<ReadReply> ReadReply = new(
        static (reply, context) =>
        {
            context.SetPayloadLength(reply.CalculateSize());
            reply.WriteTo(context.GetBufferWriter());
            context.Complete();
        },
        static _ => throw new NotSupportedException("a server reads no replies"));

    /// <summary>A generated message.</summary>
    public static Marshaller<T> Of<T>(MessageParser<T> parser)
        where T : class, IMessage<T>, IBufferMessage => new(
        static (message, context) =>
        {
            context.SetPayloadLength(message.CalculateSize());
            message.WriteTo(context.GetBufferWriter());
            context.Complete();
        },
        context => Checked(context => parser.ParseFrom(context.PayloadAsReadOnlySequence()), context));

    // Else the client would be told of an unknown error in a handler.
    private static T Checked<T>(Func<DeserializationContext, T> parse, DeserializationContext context)
    {
        try
        {
            return parse(context);
        }
        catch (Exception e) when (e is InvalidProtocolBufferException or WireFormatException)
        {
            throw RpcErrors.InvalidArgument($"the message is malformed: {e.Message}");
        }
    }
}
