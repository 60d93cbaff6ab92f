using System.Globalization;
using System.Text;

namespace Ipcs.Multiformats;

/// <summary>Text from peers, images and files, as it may be shown to people.</summary>
public static class PrintableText
{
    /// <summary>
    /// Escapes what could change the state of a terminal, look like another line, or reorder the text: control characters (C0, DEL and C1)
    /// as <c>\x1b</c>, separators of lines and changes of direction as <c>\u202e</c>. Half a surrogate pair becomes U+FFFD.
    /// </summary>
    public static string Escape(string text)
    {
        int first = 0;
        while (first < text.Length && !NeedsEscape(text, first))
        {
            first++;
        }

        if (first == text.Length)
        {
            return text;
        }

        var escaped = new StringBuilder(text, 0, first, text.Length + 16);
        for (int i = first; i < text.Length; i++)
        {
            char c = text[i];
            if (!NeedsEscape(text, i))
            {
                escaped.Append(c);
            }
            else if (char.IsSurrogate(c))
            {
                escaped.Append('\ufffd');
            }
            else
            {
                (string prefix, string format) = c < 0x100 ? ("\\x", "x2") : ("\\u", "x4");
                escaped.Append(prefix).Append(((int)c).ToString(format, CultureInfo.InvariantCulture));
            }
        }

        return escaped.ToString();
    }

    private static bool NeedsEscape(string text, int index)
    {
        char c = text[index];
        return char.IsControl(c)
            || c is '\u2028' or '\u2029' or (>= '\u202a' and <= '\u202e') or (>= '\u2066' and <= '\u2069')
            || (char.IsSurrogate(c) && !IsInPair(text, index));
    }

    private static bool IsInPair(string text, int index) => char.IsHighSurrogate(text[index])
        ? index + 1 < text.Length && char.IsLowSurrogate(text[index + 1])
        : index > 0 && char.IsHighSurrogate(text[index - 1]);
}
