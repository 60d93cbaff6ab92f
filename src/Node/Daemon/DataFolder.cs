using Ipcs.Libp2p.Identity;

namespace Ipcs.Node.Daemon;

/// <summary>The folder of a node's key and store. It is its owner's alone, since the key lies in it.</summary>
internal static class DataFolder
{
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;

    private const UnixFileMode NotOwner = UnixFileMode.GroupRead | UnixFileMode.GroupWrite | UnixFileMode.GroupExecute
        | UnixFileMode.OtherRead | UnixFileMode.OtherWrite | UnixFileMode.OtherExecute;

    /// <summary>Where the key lies.</summary>
    public static string KeyFile(string folder) => Path.Combine(folder, "key");

    /// <summary>Where the store lies.</summary>
    public static string StoreFolder(string folder) => Path.Combine(folder, "store");

    /// <summary>Makes the folder where it is not there, and loads its key or makes one. A damaged key is never replaced: it is who the node is.</summary>
    /// <exception cref="IOException">The folder can't be made, or the key is damaged.</exception>
    public static KeyPair Prepare(string folder)
    {
        if (!Directory.Exists(folder))
        {
            Directory.CreateDirectory(folder, OwnerOnly);
        }

        return KeyPair.LoadOrCreate(KeyFile(folder));
    }

    /// <summary>True when others than the owner may do something with the key's file.</summary>
    public static bool IsKeyExposed(string folder) => (File.GetUnixFileMode(KeyFile(folder)) & NotOwner) != UnixFileMode.None;
}
