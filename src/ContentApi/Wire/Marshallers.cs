using Google.Protobuf;
using Grpc.Core;
using Ipcs.ContentApi.Rpc;

namespace Ipcs.ContentApi.Wire;

/// <summary>Encode messages into the buffers of the connection and decode them from there.</summary>
internal static class Marshallers
{
    /// <summary>Decodes requests of Write; their data is copied into rented arrays.</summary>
    public static readonly Marshaller<WriteRequest> WriteRequest = new(
        static (_, _) => throw new NotSupportedException("a server encodes no requests"),
        static context => Checked(static context => Wire.WriteRequest.Parse(context.PayloadAsReadOnlySequence()), context));

    /// <summary>Encodes replies of Read without an array of their own.</summary>
    public static readonly Marshaller<ReadReply> ReadReply = new(
        static (reply, context) =>
        {
            context.SetPayloadLength(reply.CalculateSize());
            reply.WriteTo(context.GetBufferWriter());
            context.Complete();
        },
        static _ => throw new NotSupportedException("a server decodes no replies"));

    /// <summary>Encodes and decodes a generated message.</summary>
    public static Marshaller<T> Of<T>(MessageParser<T> parser)
        where T : class, IMessage<T>, IBufferMessage => new(
        static (message, context) =>
        {
            context.SetPayloadLength(message.CalculateSize());
            message.WriteTo(context.GetBufferWriter());
            context.Complete();
        },
        context => Checked(context => parser.ParseFrom(context.PayloadAsReadOnlySequence()), context));

    // Any other exception would reach the client as status Unknown.
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
