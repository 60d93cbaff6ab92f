using System.Reflection;

namespace Ipcs.Node.Daemon;

/// <summary>The version of this program.</summary>
internal static class ProductVersion
{
    /// <summary>The version, such as <c>0.1.0</c>.</summary>
    public static string Number { get; } =
        typeof(ProductVersion).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion.Split('+')[0]
        ?? "0";

    /// <summary>The agent version sent to peers by the identify protocol.</summary>
    public static string Agent { get; } = "ipcs/" + Number;
}
