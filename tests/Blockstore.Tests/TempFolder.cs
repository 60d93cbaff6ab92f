namespace Ipcs.Blockstore.Tests;

/// <summary>A folder that goes with the test.</summary>
internal sealed class TempFolder : IDisposable
{
    public string Path { get; } = Directory.CreateTempSubdirectory("ipcs-store-").FullName;

    /// <summary>A copy of the files as they lie now, as a crash would leave them (what the system has in its cache included).</summary>
    public TempFolder Copy()
    {
        TempFolder copy = new();
        foreach (string file in Directory.GetFiles(Path).Where(file => System.IO.Path.GetFileName(file) != "LOCK"))
            File.Copy(file, System.IO.Path.Combine(copy.Path, System.IO.Path.GetFileName(file)));
        return copy;
    }

    public void Dispose() => Directory.Delete(Path, recursive: true);
}
