using Ipcs.Dag.Import;
using Ipcs.Multiformats;

namespace Ipcs.Oci;

/// <summary>Which blobs have been converted before, so that they need not be read again. Thread-safe.</summary>
public interface IConversionMemory
{
    /// <summary>The DAG of a blob's bytes, if it was made under this profile and is whole here; else null.</summary>
    DagRoot? Recall(Digest blob, ImportProfile profile);

    /// <summary>Notes the DAG of a blob's bytes.</summary>
    void Remember(Digest blob, ImportProfile profile, in DagRoot root);
}
