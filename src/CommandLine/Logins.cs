using System.Text;
using System.Text.Json.Nodes;
using Ipcs.Oci;
using Ipcs.Oci.Credentials;

namespace Ipcs.CommandLine;

/// <summary>What a command says of its images to the daemon: paths as the daemon sees them, and the user's logins at their registries.</summary>
internal static class Logins
{
    /// <summary>An image as the daemon reads it: a path from this command's folder becomes one from the root.</summary>
    public static string Absolute(string image)
    {
        string? form = ImageSource.PathForms.FirstOrDefault(f => image.StartsWith(f, StringComparison.Ordinal));
        return form is null || image.Length == form.Length ? image : form + Path.GetFullPath(image[form.Length..]);
    }

    /// <summary>The logins for those of the images that are in registries, as the body of a request; null when there are none.</summary>
    public static async Task<HttpContent?> BodyAsync(IEnumerable<string> images, CancellationToken cancellationToken)
    {
        var files = CredentialFiles.OfUser(Environment.GetEnvironmentVariable);
        var auths = new JsonObject();
        foreach (string image in images)
        {
            if (Absolute(image) == image && !image.StartsWith("containerd:", StringComparison.Ordinal) && Reference.TryParse(image, out Reference? reference)
                && !auths.ContainsKey(reference.Host) && await files.FindAsync(reference.Host, reference.Repository, cancellationToken) is { } login)
            {
                auths[reference.Host] = new JsonObject { ["username"] = login.User, ["password"] = login.Secret, ["identitytoken"] = login.IdentityToken };
            }
        }

        return auths.Count == 0 ? null : new StringContent(new JsonObject { ["auths"] = auths }.ToJsonString(), Encoding.UTF8, "application/json");
    }
}
