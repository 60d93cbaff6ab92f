using Ipcs.Dag.Import;
using Ipcs.Multiformats;

namespace Ipcs.Oci.Conversion;

/// <summary>Remembers the DAGs of converted blobs, so that they are not read again. Thread-safe.</summary>
public interface IConversionMemory
{
    /// <summary>The DAG of a blob with this profile; null when blocks of it are missing.</summary>
    DagRoot? Recall(Digest blob, ImportProfile profile);

    /// <summary>Remembers the DAG of a blob.</summary>
    void Remember(Digest blob, ImportProfile profile, in DagRoot root);
}
