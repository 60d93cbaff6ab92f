using System.Text.Json.Nodes;
using Microsoft.Net.Http.Headers;

namespace Ipcs.ControlApi;

/// <summary>Answers a request with an error, <c>{"Message": …, "Code": 0, "Type": "error"}</c> as Kubo writes it.</summary>
internal static class ErrorResponse
{
    /// <summary>
    /// Writes the error as the whole response. When a response of JSON lines has begun already, appends the error as its last line. In the
    /// middle of bytes or of one JSON document, sends it as a trailer (<see cref="ResponseBody"/>). Where that is not possible, closes the
    /// connection, so that no client takes what it has for the whole.
    /// </summary>
    /// <returns>False when the connection was closed, so that the client was not sent the message.</returns>
    public static async Task<bool> WriteAsync(HttpContext context, int status, string message)
    {
        string error = new JsonObject { ["Message"] = message, ["Code"] = 0, ["Type"] = "error" }.ToJsonString() + "\n";
        HttpResponse response = context.Response;
        if (!response.HasStarted)
        {
            // The headers of the answer that failed, such as its length, are not those of the error.
            response.ContentLength = null;
            response.Headers.Remove(ApiRequest.StreamOutputHeader);
            response.Headers.Remove(ApiRequest.ContentLengthHeader);
            response.Headers.Remove(ApiRequest.ChunkedOutputHeader);
            response.Headers.Remove(HeaderNames.TransferEncoding);
            response.Headers.Remove(HeaderNames.Trailer);
            response.StatusCode = status;
            response.ContentType = "application/json";
        }
        else if (!response.Headers.ContainsKey(ApiRequest.ChunkedOutputHeader))
        {
            if (context.Features.Get<ResponseBody>() is { } body && await body.TryFailAsync(message))
            {
                return true;
            }

            context.Abort();
            return false;
        }

        await response.WriteAsync(error);
        return true;
    }
}
