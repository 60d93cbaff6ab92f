using Ipcs.Libp2p.Identity;

namespace Ipcs.Node.Daemon;

/// <summary>The folder with the key and the store of a node. Only its owner can read it, since it has the key.</summary>
internal static class DataFolder
{
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;

    private const UnixFileMode NotOwner = UnixFileMode.GroupRead | UnixFileMode.GroupWrite | UnixFileMode.GroupExecute
        | UnixFileMode.OtherRead | UnixFileMode.OtherWrite | UnixFileMode.OtherExecute;

    /// <summary>The path of the key file.</summary>
    public static string KeyFile(string folder) => Path.Combine(folder, "key");

    /// <summary>The path of the key of a private network, which the daemon uses when no option names another.</summary>
    public static string SwarmKeyFile(string folder) => Path.Combine(folder, "swarm.key");

    /// <summary>The path of the store.</summary>
    public static string StoreFolder(string folder) => Path.Combine(folder, "store");

    /// <summary>
    /// Creates the folder if it is missing, and loads its key or creates one. A damaged key is never replaced: it is the node's identity.
    /// </summary>
    /// <exception cref="IOException">The folder can't be created, or the key is damaged.</exception>
    public static KeyPair Prepare(string folder)
    {
        if (!Directory.Exists(folder))
        {
            Directory.CreateDirectory(folder, OwnerOnly);
        }

        return KeyPair.LoadOrCreate(KeyFile(folder));
    }

    /// <summary>True when the key file's mode gives any permission to others than its owner.</summary>
    public static bool IsKeyExposed(string folder) => IsExposed(KeyFile(folder));

    /// <summary>True when a file's mode gives any permission to others than its owner.</summary>
    public static bool IsExposed(string file) => (File.GetUnixFileMode(file) & NotOwner) != UnixFileMode.None;
}
