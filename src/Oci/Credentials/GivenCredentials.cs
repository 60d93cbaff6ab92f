namespace Ipcs.Oci.Credentials;

/// <summary>Logins that came with a request, by host; another source is asked for the rest.</summary>
public sealed class GivenCredentials(IReadOnlyDictionary<string, Login> logins, ICredentials rest) : ICredentials
{
    /// <inheritdoc/>
    public Task<Login?> FindAsync(string host, string repository, CancellationToken cancellationToken) =>
        logins.TryGetValue(host, out Login? login) ? Task.FromResult<Login?>(login) : rest.FindAsync(host, repository, cancellationToken);
}
