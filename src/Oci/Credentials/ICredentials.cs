namespace Ipcs.Oci.Credentials;

/// <summary>A login to a registry.</summary>
/// <param name="User">The name; empty with an identity token.</param>
/// <param name="Secret">The password; empty with an identity token.</param>
/// <param name="IdentityToken">What is given for access tokens instead of a password; null for none.</param>
public sealed record Login(string User, string Secret, string? IdentityToken)
{
    /// <summary>Never prints the secret.</summary>
    public override string ToString() => $"login of {(User.Length > 0 ? User : "a token")}";
}

/// <summary>Who we are at a registry.</summary>
public interface ICredentials
{
    /// <summary>The login for a registry's host (<c>docker.io</c> for the hub) and repository; null when there is none.</summary>
    /// <exception cref="ImageSourceException">A credential helper fails.</exception>
    Task<Login?> FindAsync(string host, string repository, CancellationToken cancellationToken);
}

/// <summary>Nobody anywhere.</summary>
public sealed class NoCredentials : ICredentials
{
    /// <summary>The one instance.</summary>
    public static NoCredentials Instance { get; } = new();

    /// <inheritdoc/>
    public Task<Login?> FindAsync(string host, string repository, CancellationToken cancellationToken) => Task.FromResult<Login?>(null);
}
