using System.Buffers;
using Ipcs.Bitswap.Wire;
using Ipcs.Multiformats;

namespace Ipcs.Bitswap.Client;

/// <summary>A block that was received and hashed. Owns its decompressed bytes until they are shared. For one caller at a time.</summary>
/// <param name="entry">The block on the wire; its bytes belong to the piece.</param>
/// <param name="hash">Its hash.</param>
/// <param name="isLeaf">The result of <see cref="BitswapOptions.IsLeaf"/>.</param>
/// <param name="decompressed">Its bytes when it was compressed.</param>
/// <param name="piece">The piece of the message that has it; null when its bytes cannot be shared.</param>
internal sealed class ReceivedBlock(
    BlockEntry entry, Multihash hash, bool isLeaf, IMemoryOwner<byte>? decompressed, MessagePiece? piece) : IDisposable
{
    private bool _given;

    /// <summary>The block on the wire.</summary>
    public BlockEntry Entry => entry;

    /// <summary>Its hash.</summary>
    public Multihash Hash => hash;

    /// <summary>Its length in bytes, decompressed.</summary>
    public int Length { get; } = decompressed?.Memory.Length ?? entry.Data.Length;

    /// <summary>The result of <see cref="BitswapOptions.IsLeaf"/>.</summary>
    public bool IsLeaf => isLeaf;

    /// <summary>Its bytes.</summary>
    public ReadOnlyMemory<byte> Block => decompressed?.Memory ?? entry.Data;

    /// <summary>
    /// Shares the bytes with a caller, who disposes them; null when they cannot be shared, or when decompressed bytes were shared already.
    /// </summary>
    public IMemoryOwner<byte>? TryShare()
    {
        if (decompressed is null)
        {
            return piece?.Share(entry.Data);
        }

        if (_given)
        {
            return null;
        }

        _given = true;
        return decompressed;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (!_given)
        {
            decompressed?.Dispose();
            _given = true;
        }
    }
}
