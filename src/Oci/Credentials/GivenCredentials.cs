namespace Ipcs.Oci.Credentials;

/// <summary>Logins that came with a request, by host; another source finds the logins for other hosts.</summary>
public sealed class GivenCredentials(IReadOnlyDictionary<string, Login> logins, ICredentials rest) : ICredentials
{
    /// <inheritdoc/>
    public Task<Login?> FindAsync(string host, string repository, CancellationToken cancellationToken) =>
        logins.TryGetValue(host, out Login? login) ? Task.FromResult<Login?>(login) : rest.FindAsync(host, repository, cancellationToken);
}
