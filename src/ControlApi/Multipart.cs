using Microsoft.AspNetCore.WebUtilities;
using Microsoft.Net.Http.Headers;

namespace Ipcs.ControlApi;

/// <summary>
/// Reads a request's files, which Kubo's clients send as the parts of a <c>multipart/form-data</c> body. The headers of a part have at most
/// 16 KiB.
/// </summary>
internal static class Multipart
{
    /// <summary>Opens a reader of the parts.</summary>
    /// <exception cref="ApiException">Status 400: the body is not <c>multipart/form-data</c>.</exception>
    public static MultipartReader Open(ApiRequest request)
    {
        string? boundary = MediaTypeHeaderValue.TryParse(request.Context.Request.ContentType, out MediaTypeHeaderValue? type)
            && type.MediaType.Equals("multipart/form-data", StringComparison.OrdinalIgnoreCase)
            ? HeaderUtilities.RemoveQuotes(type.Boundary).ToString()
            : null;

        // The length of a part has no limit, since its body is streamed.
        return string.IsNullOrEmpty(boundary)
            ? throw ApiException.Bad("the request's body is not multipart/form-data")
            : new MultipartReader(boundary, request.Body, 1 << 16) { BodyLengthLimit = null };
    }

    /// <summary>Reads the head of the next part; null at the end.</summary>
    /// <exception cref="ApiException">Status 400: the body is malformed or ends too early.</exception>
    public static async Task<MultipartSection?> NextAsync(MultipartReader parts, CancellationToken cancellationToken)
    {
        try
        {
            MultipartSection? part = await parts.ReadNextSectionAsync(cancellationToken);
            if (part is not null)
            {
                part.Body = new PartStream(part.Body);
            }

            return part;
        }
        catch (Exception e) when (IsMalformed(e))
        {
            throw Malformed(e);
        }
    }

    /// <summary>True for what <see cref="MultipartReader"/> throws when the body is malformed or ends too early.</summary>
    public static bool IsMalformed(Exception e) => e is InvalidDataException or IOException and not BadHttpRequestException;

    /// <summary>The error of a malformed body.</summary>
    public static ApiException Malformed(Exception e) => ApiException.Bad($"the request's body is malformed: {e.Message}");
}
