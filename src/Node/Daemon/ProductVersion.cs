using System.Reflection;

namespace Ipcs.Node.Daemon;

/// <summary>What this program calls itself.</summary>
internal static class ProductVersion
{
    /// <summary>The version, such as <c>0.1.0</c>.</summary>
    public static string Number { get; } =
        typeof(ProductVersion).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion.Split('+')[0] ?? "0";

    /// <summary>The agent version that identify tells peers.</summary>
    public static string Agent { get; } = "ipcs/" + Number;
}
