using System.Net;
using Ipcs.Node.Options;

namespace Ipcs.Node.Daemon;

/// <summary>The token of the control API on TCP. Whoever has it is as good as root on this host.</summary>
internal static partial class ApiToken
{
    /// <summary>The longest token file in bytes. A longer one is another file by mistake.</summary>
    private const int MaxLength = 4096;

    /// <summary>
    /// Reads the token; null when the options name no file. Warns of an address that other hosts can reach, and of a file that others can
    /// read.
    /// </summary>
    /// <exception cref="OptionsException">
    /// The address is not loopback and there is no token, or the file can't be read, is empty, or has more than one word.
    /// </exception>
    public static string? Load(NodeOptions options, ILogger logger)
    {
        bool reachable = options.ApiAddress is { } address && !IPAddress.IsLoopback(address.Address);
        if (options.ApiToken is not { } file)
        {
            return reachable
                ? throw new OptionsException(
                    $"--api-addr {options.ApiAddress} can be reached by other hosts, and whoever connects controls this one: "
                    + "it needs --api-token FILE, or a loopback address")
                : null;
        }

        string token = Read(file);
        if (reachable)
        {
            LogReachable(logger, options.ApiAddress!);
        }

        if (DataFolder.IsExposed(file))
        {
            LogExposed(logger, file);
        }

        return token;
    }

    private static string Read(string file)
    {
        string token = SmallFile.ReadText(file, MaxLength).Trim();

        // What a header can carry: https://www.rfc-editor.org/rfc/rfc9110#section-5.5.
        return token.Length == 0 ? throw new OptionsException($"--api-token: {file} is empty")
            : token.All(c => c is > ' ' and < '\x7f') ? token
            : throw new OptionsException($"--api-token: {file} has blanks or characters that are not ASCII in its token");
    }

    [LoggerMessage(
        Level = LogLevel.Warning,
        Message = "the control API listens on {Address}, without encryption: whoever has its token is as good as root on this host")]
    private static partial void LogReachable(ILogger logger, IPEndPoint address);

    [LoggerMessage(
        Level = LogLevel.Warning,
        Message = "{File} has the token of the control API, and its mode gives others access: chmod 600")]
    private static partial void LogExposed(ILogger logger, string file);
}
