using System.Globalization;
using System.Runtime.CompilerServices;
using System.Text;
using Ipcs.Multiformats;

namespace Ipcs.CommandLine;

/// <summary>Builds the text of an interpolated string: literal parts as they are, inserted values escaped.</summary>
[InterpolatedStringHandler]
public readonly struct PrintableHandler
{
    private readonly StringBuilder _text;

    /// <summary>Called by the compiler.</summary>
    public PrintableHandler(int literalLength, int formattedCount) => _text = new StringBuilder(literalLength + (formattedCount * 16));

    /// <summary>Adds a literal part.</summary>
    public void AppendLiteral(string text) => _text.Append(text);

    /// <summary>Adds an inserted value.</summary>
    public void AppendFormatted<T>(T value, int alignment = 0, string? format = null)
    {
        string? text = value is IFormattable formattable ? formattable.ToString(format, CultureInfo.InvariantCulture) : value?.ToString();
        string escaped = PrintableText.Escape(text ?? "");
        _text.Append(alignment < 0 ? escaped.PadRight(-alignment) : escaped.PadLeft(alignment));
    }

    /// <summary>Adds an inserted value with a format.</summary>
    public void AppendFormatted<T>(T value, string? format) => AppendFormatted(value, 0, format);

    /// <inheritdoc/>
    public override string ToString() => _text.ToString();
}
