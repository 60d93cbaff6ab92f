using Tomlyn.Model;
using Tomlyn.Serialization;

namespace Ipcs.Oci.Registry;

/// <summary>Generated code that reads <c>hosts.toml</c> without reflection.</summary>
[TomlSerializable(typeof(TomlTable))]
internal sealed partial class HostsToml : TomlSerializerContext;
