using System.Text;
using System.Text.Json.Nodes;
using Ipcs.Oci;
using Ipcs.Oci.Credentials;
using Ipcs.Oci.Transports;

namespace Ipcs.CommandLine;

/// <summary>How a command names its images to the daemon: absolute paths, and the user's logins at the registries.</summary>
internal static class Logins
{
    /// <summary>The image with an absolute path, where it is a path.</summary>
    public static string Absolute(string image)
    {
        string? form = ImageTransport.PathForms.FirstOrDefault(f => image.StartsWith(f, StringComparison.Ordinal));
        return form is null || image.Length == form.Length ? image : form + Path.GetFullPath(image[form.Length..]);
    }

    /// <summary>The request body with the logins at the registries of the images; null when there are none.</summary>
    public static async Task<HttpContent?> BodyAsync(IEnumerable<string> images, TimeProvider time, CancellationToken cancellationToken)
    {
        var files = CredentialFiles.OfUser(Environment.GetEnvironmentVariable, time);
        var auths = new JsonObject();
        foreach (string image in images)
        {
            if (Absolute(image) == image
                && !image.StartsWith("containerd:", StringComparison.Ordinal)
                && Reference.TryParse(image, out Reference? reference)
                && !auths.ContainsKey(reference.Host)
                && await files.FindAsync(reference.Host, reference.Repository, cancellationToken) is { } login)
            {
                auths[reference.Host] = new JsonObject
                {
                    ["username"] = login.User,
                    ["password"] = login.Secret,
                    ["identitytoken"] = login.IdentityToken,
                };
            }
        }

        return auths.Count == 0
            ? null
            : new StringContent(new JsonObject { ["auths"] = auths }.ToJsonString(), Encoding.UTF8, "application/json");
    }
}
