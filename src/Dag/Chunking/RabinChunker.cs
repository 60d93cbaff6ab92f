namespace Ipcs.Dag.Chunking;

/// <summary>
/// Kubo's <c>rabin</c>: a fingerprint of the last 16 bytes modulo an irreducible polynomial of degree 53; cuts where its low bits are zero.
/// Reference: https://github.com/ipfs/boxo/blob/main/chunker/rabin.go and the chunker it wraps.
/// </summary>
internal sealed class RabinChunker(int min, int average, int max) : RollingChunker(Window, min, max)
{
    /// <summary>The length of the window in bytes.</summary>
    public const int Window = 16;

    private const ulong Polynomial = 17437180132763653;
    private const int Degree = 53;
    private static readonly ulong[] Reduce = MakeReduce();
    private static readonly ulong[] Leave = MakeLeave();

    // The average length rounded down to a power of two gives the number of low bits.
    private readonly ulong _mask = (1ul << int.Log2(average)) - 1;
    private ulong _fingerprint;

    /// <inheritdoc/>
    protected override bool AtCut => (_fingerprint & _mask) == 0;

    /// <inheritdoc/>
    protected override void Start() => _fingerprint = 0;

    /// <inheritdoc/>
    protected override void Fill(byte next) => _fingerprint = Append(_fingerprint, next);

    /// <inheritdoc/>
    protected override int Slide(ReadOnlySpan<byte> leaving, ReadOnlySpan<byte> next)
    {
        ulong fingerprint = _fingerprint;
        ulong mask = _mask;
        ulong[] leave = Leave;
        ulong[] reduce = Reduce;
        for (int i = 0; i < next.Length && i < leaving.Length; i++)
        {
            fingerprint ^= leave[leaving[i]];
            fingerprint = ((fingerprint << 8) | next[i]) ^ reduce[(byte)(fingerprint >> (Degree - 8))];
            if ((fingerprint & mask) == 0)
            {
                return i + 1;
            }
        }

        _fingerprint = fingerprint;
        return 0;
    }

    private static ulong Append(ulong fingerprint, byte next) =>
        ((fingerprint << 8) | next) ^ Reduce[(byte)(fingerprint >> (Degree - 8))];

    /// <summary>For each byte shifted out at the top: the value that removes it and adds its remainder.</summary>
    private static ulong[] MakeReduce()
    {
        var table = new ulong[256];
        for (int b = 0; b < table.Length; b++)
        {
            ulong top = (ulong)b << Degree;
            table[b] = top | Remainder(top);
        }

        return table;
    }

    /// <summary>For each byte: its share of the fingerprint when it is the oldest in the window.</summary>
    private static ulong[] MakeLeave()
    {
        var table = new ulong[256];
        for (int b = 0; b < table.Length; b++)
        {
            ulong value = Append(0, (byte)b);
            for (int i = 1; i < Window; i++)
            {
                value = Append(value, 0);
            }

            table[b] = value;
        }

        return table;
    }

    private static ulong Remainder(ulong value)
    {
        for (int bit = 63; bit >= Degree; bit--)
        {
            if ((value & (1ul << bit)) != 0)
            {
                value ^= Polynomial << (bit - Degree);
            }
        }

        return value;
    }
}
