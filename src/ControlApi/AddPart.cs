using System.Globalization;
using System.Text;
using Ipcs.Blockstore.Posix;
using Ipcs.Dag.Directories;
using Ipcs.Dag.UnixFs;
using Microsoft.AspNetCore.WebUtilities;
using Microsoft.Extensions.Primitives;
using Microsoft.Net.Http.Headers;

namespace Ipcs.ControlApi;

/// <summary>
/// The head of a part of <c>add</c>, as Kubo's clients write it: the escaped path in <c>filename</c>, the kind as the content type
/// (<c>application/x-directory</c>, <c>application/symlink</c>, else a file), mode and modification time as a query in <c>name</c>.
/// Spec: https://docs.ipfs.tech/reference/kubo/rpc/#api-v0-add.
/// </summary>
/// <param name="Kind">What the part is.</param>
/// <param name="Path">The path, without empty names and slashes around it; empty when there is none.</param>
/// <param name="Mode">POSIX mode; null when it is not given.</param>
/// <param name="MTime">Modification time; null when it is not given.</param>
internal readonly record struct AddPart(AddKind Kind, string Path, uint? Mode, UnixFsTime? MTime)
{
    /// <summary>The client's descriptor of the file; null when the part's body is the file.</summary>
    public int? Descriptor { get; init; }

    /// <summary>Parses the head of a part.</summary>
    public static AddPart Parse(MultipartSection part)
    {
        AddKind kind = MediaTypeHeaderValue.TryParse(part.ContentType, out MediaTypeHeaderValue? type)
            ? type.MediaType.Value switch
            {
                "application/x-directory" => AddKind.Directory,
                "application/symlink" => AddKind.Symlink,
                _ => AddKind.File,
            }
            : AddKind.File;
        if (!ContentDispositionHeaderValue.TryParse(part.ContentDisposition, out ContentDispositionHeaderValue? disposition))
        {
            return new AddPart(kind, "", null, null) { Descriptor = DescriptorOf(part, kind) };
        }

        string field = HeaderUtilities.RemoveQuotes(disposition.Name).ToString();
        int query = field.IndexOf('?', StringComparison.Ordinal);
        Dictionary<string, StringValues> meta = query < 0 ? [] : QueryHelpers.ParseQuery(field[query..]);
        return new AddPart(kind, Clean(HeaderUtilities.RemoveQuotes(disposition.FileName).ToString()), ModeOf(meta), TimeOf(meta))
        {
            Descriptor = DescriptorOf(part, kind),
        };
    }

    /// <summary>
    /// Unescapes a path (a plus is a space, as in a form) and resolves <c>.</c>, <c>..</c> and doubled slashes. The result can't lead above
    /// its root.
    /// </summary>
    internal static string Clean(string escaped)
    {
        var names = new List<string>();
        foreach (string name in Uri.UnescapeDataString(escaped.Replace('+', ' ')).Split('/', StringSplitOptions.RemoveEmptyEntries))
        {
            if (name == "..")
            {
                if (names.Count > 0)
                {
                    names.RemoveAt(names.Count - 1);
                }
            }
            else if (name != ".")
            {
                names.Add(name);
            }
        }

        return string.Join('/', names);
    }

    /// <summary>Reads the target of a symbolic link from the part's body.</summary>
    /// <exception cref="ApiException">Status 400: the target is too long.</exception>
    public static async Task<string> ReadTargetAsync(Stream body, CancellationToken cancellationToken)
    {
        byte[] buffer = new byte[DirectoryBuilder.MaxTargetLength + 1];
        int length = await body.ReadAtLeastAsync(buffer, buffer.Length, throwOnEndOfStream: false, cancellationToken);
        return length < buffer.Length
            ? Encoding.UTF8.GetString(buffer, 0, length)
            : throw ApiException.Bad($"a symbolic link's target is longer than {DirectoryBuilder.MaxTargetLength} bytes");
    }

    private static int? DescriptorOf(MultipartSection part, AddKind kind)
    {
        if (part.Headers is null || !part.Headers.TryGetValue(PassedDescriptor.Header, out StringValues text))
        {
            return null;
        }

        return kind == AddKind.File && int.TryParse(text.ToString(), NumberStyles.None, CultureInfo.InvariantCulture, out int descriptor)
            ? descriptor
            : throw ApiException.Bad($"{PassedDescriptor.Header}: '{text}' is not the number of a file's descriptor");
    }

    private static uint? ModeOf(Dictionary<string, StringValues> meta)
    {
        if (!meta.TryGetValue("mode", out StringValues text))
        {
            return null;
        }

        // Octal: the permission bits with setuid, setgid and sticky.
        uint mode = 0;
        foreach (char digit in text.ToString())
        {
            mode = digit is >= '0' and <= '7' && mode <= 0xfff >> 3
                ? (mode << 3) | (uint)(digit - '0')
                : throw ApiException.Bad($"mode '{text}' is not an octal number up to 7777");
        }

        return mode;
    }

    private static UnixFsTime? TimeOf(Dictionary<string, StringValues> meta)
    {
        if (!meta.TryGetValue("mtime", out StringValues text))
        {
            return null;
        }

        uint fraction = 0;
        bool good = long.TryParse(text.ToString(), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out long seconds)
            && (!meta.TryGetValue("mtime-nsecs", out StringValues nanoseconds)
                || (uint.TryParse(nanoseconds.ToString(), NumberStyles.None, CultureInfo.InvariantCulture, out fraction)
                    && fraction < 1_000_000_000));
        return good
            ? new UnixFsTime(seconds, fraction == 0 ? null : fraction)
            : throw ApiException.Bad($"mtime '{text}' is not a time in seconds");
    }
}
