using Ipcs.Multiformats;

namespace Ipcs.ContentApi.Hosting;

/// <summary>
/// A content whose chunks peers see while a client writes it. Disposal ends that, except when the content is whole. Thread-safe.
/// </summary>
public interface IGrowingContent : IDisposable
{
    /// <summary>Adds the next chunk, which is stored as a raw block.</summary>
    void Add(Cid chunk);

    /// <summary>Sets the number of bytes that the client has written.</summary>
    void Advance(long written);

    /// <summary>The whole is in the index.</summary>
    void Complete();
}
