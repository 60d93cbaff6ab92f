using Ipcs.Dag.UnixFs;
using Microsoft.AspNetCore.WebUtilities;

namespace Ipcs.ControlApi.Tests;

public sealed class AddPartTests
{
    [Theory]
    [InlineData("a", "a")]
    [InlineData("a%2Fb", "a/b")]
    [InlineData("a+b%2Bc", "a b+c")]
    [InlineData("/a//b/", "a/b")]
    [InlineData("./a/./b", "a/b")]
    [InlineData("..%2F..%2Fetc%2Fpasswd", "etc/passwd")]
    [InlineData("a/../b", "b")]
    [InlineData("a/../../../b", "b")]
    [InlineData("%C3%A9", "é")]
    [InlineData("%zz", "%zz")]
    [InlineData("..", "")]
    [InlineData("", "")]
    public void A_path_is_cleaned_and_stays_below_its_root(string escaped, string path) => Assert.Equal(path, AddPart.Clean(escaped));

    [Theory]
    [InlineData("application/x-directory", "Directory")]
    [InlineData("application/symlink", "Symlink")]
    [InlineData("application/octet-stream", "File")]
    [InlineData("text/plain; charset=utf-8", "File")]
    [InlineData("nonsense", "File")]
    public void The_kind_is_the_content_type(string type, string kind) =>
        Assert.Equal(kind, Parse("form-data; name=\"file\"; filename=\"x\"", type).Kind.ToString());

    [Fact]
    public void A_part_without_a_head_is_a_file_without_a_name() =>
        Assert.Equal(new AddPart(AddKind.File, "", null, null), AddPart.Parse(new MultipartSection()));

    [Fact]
    public void Mode_and_time_are_a_query_after_the_field_name() =>
        Assert.Equal(
            new AddPart(AddKind.File, "f", 0x1a4, new UnixFsTime(-5, 7)),
            Parse("form-data; name=\"file?mode=0644&mtime=-5&mtime-nsecs=7\"; filename=\"f\"", "application/octet-stream"));

    [Theory]
    [InlineData("mode=8")]
    [InlineData("mode=77777")]
    [InlineData("mode=x")]
    [InlineData("mtime=now")]
    [InlineData("mtime=1&mtime-nsecs=1000000000")]
    [InlineData("mtime=1&mtime-nsecs=-1")]
    public void Malformed_modes_and_times_are_status_400(string query) =>
        Assert.Equal(400, Assert.Throws<ApiException>(() => Parse($"form-data; name=\"file?{query}\"", "application/octet-stream")).Status);

    [Theory]
    [InlineData("0", 0)]
    [InlineData("17", 17)]
    [InlineData("2147483647", int.MaxValue)]
    public void A_descriptor_is_a_number(string text, int descriptor) =>
        Assert.Equal(descriptor, Passed(text, "application/octet-stream").Descriptor);

    [Theory]
    [InlineData("")]
    [InlineData("-1")]
    [InlineData("+1")]
    [InlineData("2147483648")]
    [InlineData("99999999999999999999999")]
    [InlineData("0x10")]
    [InlineData("1,2")]
    [InlineData("/etc/passwd")]
    [InlineData("3", "application/x-directory")]
    [InlineData("3", "application/symlink")]
    public void A_malformed_or_misplaced_descriptor_is_status_400(string text, string type = "application/octet-stream") =>
        Assert.Equal(400, Assert.Throws<ApiException>(() => Passed(text, type)).Status);

    private static AddPart Passed(string descriptor, string type) => AddPart.Parse(new MultipartSection
    {
        Headers = new()
        {
            ["Content-Disposition"] = "form-data; name=\"file\"; filename=\"x\"",
            ["Content-Type"] = type,
            ["Ipcs-Descriptor"] = descriptor,
        },
    });

    private static AddPart Parse(string disposition, string type) => AddPart.Parse(new MultipartSection
    {
        Headers = new() { ["Content-Disposition"] = disposition, ["Content-Type"] = type },
    });
}
