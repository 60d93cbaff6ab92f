namespace Ipcs.Oci.Credentials;

/// <summary>Finds logins to registries.</summary>
public interface ICredentials
{
    /// <summary>The login for a registry (<c>docker.io</c> for Docker Hub) and a repository; null when there is none.</summary>
    /// <exception cref="ImageSourceException">A file cannot be read, or a credential helper fails.</exception>
    Task<Login?> FindAsync(string host, string repository, CancellationToken cancellationToken);
}
