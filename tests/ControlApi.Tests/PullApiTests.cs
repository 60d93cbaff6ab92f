using System.Diagnostics;
using Ipcs.Blockstore;
using Ipcs.Blockstore.Memory;
using Ipcs.Dag.Import;
using Ipcs.Multiformats;
using Ipcs.Oci.Containerd;
using Ipcs.TestKit;
using Microsoft.AspNetCore.Http;

namespace Ipcs.ControlApi.Tests;

public sealed class PullApiTests
{
    [Fact]
    public async Task A_pull_is_a_span_with_the_image_and_the_error()
    {
        var spans = new List<Activity>();
        using var listener = new ActivityListener
        {
            ShouldListenTo = source => source.Name == IpcsActivity.Name,
            Sample = (ref ActivityCreationOptions<ActivityContext> _) => ActivitySamplingResult.AllData,
            ActivityStopped = spans.Add,
        };
        ActivitySource.AddActivityListener(listener);
        using var folder = new TempFolder();
        using var store = new MemoryStore();
        var options = new ControlApiOptions
        {
            Version = "",
            AgentVersion = "",
            Data = folder.Path,
            ApiSocket = folder["api"],
            Containerd = folder["containerd"],
            Profile = ImportProfile.KuboV1,
            StorageMax = 0,
            Config = () => [],
        };
        var context = new DefaultHttpContext();
        context.Request.QueryString = new QueryString($"?arg=example.org/image:v1@{Digest.Sha256([1])}");

        // Without containerd a pull fails before it uses the network.
        var api = new PullApi(options, null!, store, new ContentCatalog(store), null!, TimeProvider.System);
        ContainerdException error = await Assert.ThrowsAsync<ContainerdException>(() => api.PullAsync(new ApiRequest(context)));
        Activity span = Assert.Single(spans);
        Assert.Equal(("pull", ActivityStatusCode.Error, error.Message), (span.OperationName, span.Status, span.StatusDescription));
        Assert.Equal("example.org/image:v1", span.GetTagItem("image"));
    }
}
