using Microsoft.AspNetCore.WebUtilities;
using Microsoft.Net.Http.Headers;

namespace Ipcs.ControlApi;

/// <summary>The files of a request, as Kubo's clients send them: <c>multipart/form-data</c>, a part each. Headers of a part: 16 KiB at most.</summary>
internal static class Multipart
{
    /// <summary>The reader of the parts.</summary>
    /// <exception cref="ApiException">The body is something else.</exception>
    public static MultipartReader Open(ApiRequest request)
    {
        string? boundary = MediaTypeHeaderValue.TryParse(request.Context.Request.ContentType, out MediaTypeHeaderValue? type)
            && type.MediaType.Equals("multipart/form-data", StringComparison.OrdinalIgnoreCase)
            ? HeaderUtilities.RemoveQuotes(type.Boundary).ToString()
            : null;

        // A part is as long as it likes: it is streamed.
        return string.IsNullOrEmpty(boundary)
            ? throw ApiException.Bad("the request's body is not multipart/form-data")
            : new MultipartReader(boundary, request.Body, 1 << 16) { BodyLengthLimit = null };
    }

    /// <summary>The next part; null at the end.</summary>
    /// <exception cref="ApiException">The body is ill-formed or breaks off.</exception>
    public static async Task<MultipartSection?> NextAsync(MultipartReader parts, CancellationToken cancellationToken)
    {
        try
        {
            return await parts.ReadNextSectionAsync(cancellationToken);
        }
        catch (Exception e) when (e is InvalidDataException or IOException and not BadHttpRequestException)
        {
            throw ApiException.Bad($"the request's body is ill-formed: {e.Message}");
        }
    }
}
