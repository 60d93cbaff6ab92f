namespace Ipcs.Oci.Credentials;

/// <summary>Has no logins.</summary>
public sealed class NoCredentials : ICredentials
{
    /// <summary>The only instance.</summary>
    public static NoCredentials Instance { get; } = new();

    /// <inheritdoc/>
    public Task<Login?> FindAsync(string host, string repository, CancellationToken cancellationToken) => Task.FromResult<Login?>(null);
}
