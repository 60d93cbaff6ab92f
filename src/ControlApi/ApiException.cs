namespace Ipcs.ControlApi;

/// <summary>A request to the control API fails. The user sees the message, which is one line.</summary>
internal sealed class ApiException(string message, int status = StatusCodes.Status500InternalServerError) : Exception(message)
{
    /// <summary>The HTTP status. As in Kubo: 400 for a malformed request, 500 for the rest.</summary>
    public int Status { get; } = status;

    /// <summary>Status 400: the request is malformed.</summary>
    public static ApiException Bad(string message) => new(message, StatusCodes.Status400BadRequest);
}
