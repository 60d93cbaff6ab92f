using System.ComponentModel;
using System.Diagnostics;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;

namespace Ipcs.Oci.Credentials;

/// <summary>
/// Gets a login from a program <c>docker-credential-NAME</c>. Protocol: https://github.com/docker/docker-credential-helpers, section
/// Development.
/// </summary>
internal static partial class CredentialHelper
{
    /// <summary>The timeout of a helper: one that waits for a user or an unreachable server must not block a pull.</summary>
    private static readonly TimeSpan MaxTime = TimeSpan.FromSeconds(30);

    /// <summary>The longest answer, in characters: tokens of cloud providers have a few thousand.</summary>
    private const int MaxAnswer = 1 << 16;

    /// <summary>The user name by which a helper marks its secret as an identity token.</summary>
    private const string TokenUser = "<token>";

    /// <summary>Gets a login; null when the helper has none.</summary>
    /// <exception cref="ImageSourceException">The helper is missing, fails or times out.</exception>
    public static async Task<Login?> GetAsync(string name, string server, TimeProvider time, CancellationToken cancellationToken)
    {
        // The name comes from a file: it must not be a path.
        string program = NamePattern().IsMatch(name)
            ? "docker-credential-" + name
            : throw new ImageSourceException($"'{name}' is not a valid name of a credential helper");
        using var timeout = new CancellationTokenSource(MaxTime, time);
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, timeout.Token);
        using var process = new Process
        {
            StartInfo = new ProcessStartInfo(program, ["get"])
            {
                RedirectStandardInput = true,
                RedirectStandardOutput = true,
                RedirectStandardError = true,
            },
        };
        try
        {
            process.Start();
            Task<string> output = ReadAsync(process.StandardOutput, limit.Token), errors = ReadAsync(process.StandardError, limit.Token);
            await WriteServerAsync(process, server, limit.Token);
            string answer = await output;
            string error = await errors;
            await process.WaitForExitAsync(limit.Token);
            return process.ExitCode == 0 ? Parse(program, answer) : NoLogin(program, answer + error);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            throw new ImageSourceException($"{program} did not answer within {MaxTime.TotalSeconds} s");
        }
        catch (Exception e) when (e is Win32Exception or (IOException and not ImageSourceException))
        {
            throw new ImageSourceException($"{program} could not be run: {e.Message}", e);
        }
        finally
        {
            KillIfRunning(process);
        }
    }

    private static async Task WriteServerAsync(Process process, string server, CancellationToken cancellationToken)
    {
        try
        {
            await process.StandardInput.WriteAsync(server.AsMemory(), cancellationToken);
            process.StandardInput.Close();
        }
        catch (IOException)
        {
            // The helper ended without reading: its output says why.
        }
    }

    private static Login? Parse(string program, string answer)
    {
        try
        {
            JsonNode? document = JsonNode.Parse(answer);
            string user = (string?)document?["Username"] ?? "", secret = (string?)document?["Secret"] ?? "";
            return secret.Length == 0 ? null : user == TokenUser ? new Login("", "", secret) : new Login(user, secret, null);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            throw new ImageSourceException($"{program} gave an answer that is not valid JSON", e);
        }
    }

    private static Login? NoLogin(string program, string error) =>
        error.Contains("credentials not found", StringComparison.OrdinalIgnoreCase)
            ? null
            : throw new ImageSourceException($"{program} failed: {error.Trim().ReplaceLineEndings(" ")}");

    private static async Task<string> ReadAsync(StreamReader reader, CancellationToken cancellationToken)
    {
        var text = new StringBuilder();
        char[] buffer = new char[4096];
        for (int n; (n = await reader.ReadAsync(buffer, cancellationToken)) > 0;)
        {
            text.Append(buffer, 0, n);
            if (text.Length > MaxAnswer)
            {
                throw new ImageSourceException($"the answer of a credential helper is longer than {MaxAnswer} characters");
            }
        }

        return text.ToString();
    }

    private static void KillIfRunning(Process process)
    {
        try
        {
            if (!process.HasExited)
            {
                process.Kill(entireProcessTree: true);
            }
        }
        catch (InvalidOperationException)
        {
            // The process never started.
        }
    }

    [GeneratedRegex(@"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}\z", RegexOptions.CultureInvariant)]
    private static partial Regex NamePattern();
}
