using System.ComponentModel;
using System.Diagnostics;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;

namespace Ipcs.Oci.Credentials;

/// <summary>
/// Asks a program <c>docker-credential-NAME</c> for a login. Protocol: https://github.com/docker/docker-credential-helpers, section Development.
/// </summary>
internal static partial class CredentialHelper
{
    /// <summary>A helper that asks a person or a dead server must not hold the pull for ever.</summary>
    private static readonly TimeSpan MaxTime = TimeSpan.FromSeconds(15);

    /// <summary>The longest answer, in characters: a token of a cloud has some thousand.</summary>
    private const int MaxAnswer = 1 << 16;

    /// <summary>What a helper calls a name whose secret is an identity token.</summary>
    private const string TokenUser = "<token>";

    /// <summary>The login; null when the helper has none.</summary>
    /// <exception cref="ImageSourceException">The helper is not there, fails or takes too long.</exception>
    public static async Task<Login?> GetAsync(string name, string server, CancellationToken cancellationToken)
    {
        // The name comes from a file: it may not lead out of the PATH.
        string program = NamePattern().IsMatch(name) ? "docker-credential-" + name : throw new ImageSourceException($"'{name}' is no name of a credential helper");
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(MaxTime);
        using var process = new Process
        {
            StartInfo = new ProcessStartInfo(program, ["get"]) { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true },
        };
        try
        {
            process.Start();
            Task<string> output = ReadAsync(process.StandardOutput, limit.Token), errors = ReadAsync(process.StandardError, limit.Token);
            await TellAsync(process, server, limit.Token);
            string answer = await output;
            string complaint = await errors;
            await process.WaitForExitAsync(limit.Token);
            return process.ExitCode == 0 ? Parse(program, answer) : NoLogin(program, answer + complaint);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            throw new ImageSourceException($"{program} did not answer within {MaxTime.TotalSeconds} s");
        }
        catch (Exception e) when (e is Win32Exception or (IOException and not ImageSourceException))
        {
            throw new ImageSourceException($"{program} can't be asked: {e.Message}", e);
        }
        finally
        {
            End(process);
        }
    }

    private static async Task TellAsync(Process process, string server, CancellationToken cancellationToken)
    {
        try
        {
            await process.StandardInput.WriteAsync(server.AsMemory(), cancellationToken);
            process.StandardInput.Close();
        }
        catch (IOException)
        {
            // It has ended without reading: its answer says why.
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
            throw new ImageSourceException($"{program} answers with no JSON", e);
        }
    }

    private static Login? NoLogin(string program, string complaint) =>
        complaint.Contains("credentials not found", StringComparison.OrdinalIgnoreCase)
            ? null
            : throw new ImageSourceException($"{program} failed: {complaint.Trim().ReplaceLineEndings(" ")}");

    private static async Task<string> ReadAsync(StreamReader reader, CancellationToken cancellationToken)
    {
        var text = new StringBuilder();
        char[] buffer = new char[4096];
        for (int n; (n = await reader.ReadAsync(buffer, cancellationToken)) > 0;)
        {
            text.Append(buffer, 0, n);
            if (text.Length > MaxAnswer)
            {
                throw new ImageSourceException($"a credential helper's answer is longer than {MaxAnswer} characters");
            }
        }

        return text.ToString();
    }

    private static void End(Process process)
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
            // It never started.
        }
    }

    [GeneratedRegex(@"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}\z", RegexOptions.CultureInvariant)]
    private static partial Regex NamePattern();
}
