namespace Ipcs.ControlApi;

/// <summary>A request to the control API that can't be answered; its message is the one line that the user sees.</summary>
internal sealed class ApiException(string message, int status = StatusCodes.Status500InternalServerError) : Exception(message)
{
    /// <summary>The HTTP status: 400 for what the caller got wrong, 500 for the rest, as Kubo does.</summary>
    public int Status { get; } = status;

    /// <summary>The caller's mistake.</summary>
    public static ApiException Bad(string message) => new(message, StatusCodes.Status400BadRequest);
}
