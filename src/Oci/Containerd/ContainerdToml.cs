using Tomlyn.Model;
using Tomlyn.Serialization;

namespace Ipcs.Oci.Containerd;

/// <summary>Generated code that reads containerd's configuration without reflection.</summary>
[TomlSerializable(typeof(TomlTable))]
internal sealed partial class ContainerdToml : TomlSerializerContext;
