namespace Ipcs.Oci.Credentials;

/// <summary>A login to a registry.</summary>
/// <param name="User">The user name; empty with an identity token.</param>
/// <param name="Secret">The password; empty with an identity token.</param>
/// <param name="IdentityToken">The OAuth refresh token that is used instead of a password; null for none.</param>
public sealed record Login(string User, string Secret, string? IdentityToken)
{
    /// <summary>The user name, never the secret.</summary>
    public override string ToString() => $"login of {(User.Length > 0 ? User : "a token")}";
}
