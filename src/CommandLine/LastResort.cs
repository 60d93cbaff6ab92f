using System.Diagnostics;

namespace Ipcs.CommandLine;

/// <summary>Reports a defect of this program in one line, instead of a stack trace and a core dump.</summary>
public static class LastResort
{
    private const int Failed = 1;

    /// <summary>Ends the process with the report when an exception leaves a thread that nothing awaits.</summary>
    public static void Install() => AppDomain.CurrentDomain.UnhandledException += (_, thrown) =>
    {
        Terminal.Error(Describe((Exception)thrown.ExceptionObject));
        Environment.Exit(Failed);
    };

    /// <summary>Runs the program. An exception that nothing handles is reported and is the exit status 1.</summary>
    public static async Task<int> RunAsync(Func<Task<int>> program)
    {
        try
        {
            return await program();
        }
        catch (Exception e)
        {
            Terminal.Error(Describe(e));
            return Failed;
        }
    }

    /// <summary>The line: what was thrown, and the innermost method of this program on its stack.</summary>
    internal static string Describe(Exception e)
    {
        string?[] frames = [.. new StackTrace(e).GetFrames().Select(f => DiagnosticMethodInfo.Create(f) is { } method
            ? $"{method.DeclaringTypeName}.{method.Name}"
            : null)];
        string? at = frames.FirstOrDefault(f => f?.StartsWith("Ipcs.", StringComparison.Ordinal) == true) ?? frames.FirstOrDefault();
        string where = at is null ? "" : $" (at {at})";
        return $"internal error: {e.GetType().Name}: {e.Message}{where}";
    }
}
