namespace Ipcs.TestKit;

/// <summary>A folder that is deleted with its content at disposal. Its name is short: unix sockets are made in it.</summary>
public sealed class TempFolder : IDisposable
{
    /// <summary>The folder's path.</summary>
    public string Path { get; } = Directory.CreateTempSubdirectory("ipcs-").FullName;

    /// <summary>The path of a name in the folder.</summary>
    public string this[string name] => System.IO.Path.Combine(Path, name);

    /// <summary>Writes a text file, making the folders above it, and returns its path.</summary>
    public string File(string name, string text)
    {
        string path = this[name];
        Directory.CreateDirectory(System.IO.Path.GetDirectoryName(path)!);
        System.IO.File.WriteAllText(path, text);
        return path;
    }

    /// <summary>A copy of the files as they are now, as a crash would leave them (with what the kernel's page cache holds).</summary>
    public TempFolder Copy()
    {
        TempFolder copy = new();
        foreach (string file in Directory.GetFiles(Path).Where(file => System.IO.Path.GetFileName(file) != "LOCK"))
        {
            System.IO.File.Copy(file, copy[System.IO.Path.GetFileName(file)]);
        }

        return copy;
    }

    /// <inheritdoc/>
    public void Dispose() => Directory.Delete(Path, recursive: true);
}
