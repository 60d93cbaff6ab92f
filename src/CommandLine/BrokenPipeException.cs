namespace Ipcs.CommandLine;

/// <summary>The reader of standard output has closed it.</summary>
internal sealed class BrokenPipeException() : IOException("standard output was closed by its reader");
