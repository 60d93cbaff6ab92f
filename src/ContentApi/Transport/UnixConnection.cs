using System.Buffers;
using System.IO.Pipelines;
using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Connections.Features;

namespace Ipcs.ContentApi.Transport;

/// <summary>
/// One connection: a thread that receives, blocking, and runs Kestrel's frame loop whenever bytes have come; and a loop that sends, blocking, on
/// the thread that wrote. A client that doesn't read holds up the one thread that sends to it.
/// </summary>
internal sealed class UnixConnection : DefaultConnectionContext, IMemoryPoolFeature
{
    /// <summary>The most bytes received and not yet looked at; Kestrel's own bound.</summary>
    private const int MaxUnread = 1 << 20;

    /// <summary>The most bytes written and not yet sent: a few messages, so that a slow client doesn't gather memory.</summary>
    private const int MaxUnsent = 256 << 10;

    /// <summary>A receive asks for no less room than this.</summary>
    private const int MinReceive = 4096;

    private readonly Socket _socket;
    private readonly Pipe _received;
    private readonly Pipe _toSend;
    private readonly CancellationTokenSource _closed = new();
    private readonly TaskCompletionSource _receiving = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Action _ended;
    private Task _sending = Task.CompletedTask;
    private int _shut;

    private UnixConnection(Socket socket, EndPoint endpoint, MemoryPool<byte> pool, Action ended)
        : base(Guid.NewGuid().ToString("N"))
    {
        _socket = socket;
        _ended = ended;
        MemoryPool = pool;
        LocalEndPoint = endpoint;
        ConnectionClosed = _closed.Token;
        _received = new Pipe(new PipeOptions(
            pool, PipeScheduler.Inline, PipeScheduler.Inline, MaxUnread, MaxUnread / 2, useSynchronizationContext: false));
        _toSend = new Pipe(new PipeOptions(
            pool, PipeScheduler.Inline, PipeScheduler.ThreadPool, MaxUnsent, MaxUnsent / 2, useSynchronizationContext: false));
        Transport = new Duplex(_received.Reader, _toSend.Writer);
        Application = new Duplex(_toSend.Reader, _received.Writer);
        Features.Set<IMemoryPoolFeature>(this);
    }

    public MemoryPool<byte> MemoryPool { get; }

    /// <summary>Takes over an accepted socket.</summary>
    /// <param name="socket">The socket.</param>
    /// <param name="endpoint">Where it was accepted.</param>
    /// <param name="pool">Where buffers come from.</param>
    /// <param name="ended">Called once the connection is no more.</param>
    public static UnixConnection Start(Socket socket, EndPoint endpoint, MemoryPool<byte> pool, Action ended)
    {
        var connection = new UnixConnection(socket, endpoint, pool, ended);
        connection._sending = connection.SendAsync();
        new Thread(connection.Receive) { IsBackground = true, Name = "content socket" }.Start();
        return connection;
    }

    public override void Abort(ConnectionAbortedException abortReason) => Shut();

    public override async ValueTask DisposeAsync()
    {
        // Kestrel has completed its ends: what it wrote is sent first.
        await Transport.Input.CompleteAsync();
        await Transport.Output.CompleteAsync();
        await _sending;
        Shut();
        await _receiving.Task;
        _socket.Dispose();
        _closed.Dispose();
        await base.DisposeAsync();
        _ended();
    }

    private void Receive()
    {
        PipeWriter writer = _received.Writer;
        Exception? error = null;
        try
        {
            while (true)
            {
                int n = _socket.Receive(writer.GetSpan(MinReceive));
                if (n == 0)
                {
                    break;
                }

                writer.Advance(n);

                // Kestrel's frame loop runs in here. It is awaited where it reads slower than bytes come.
                ValueTask<FlushResult> flush = writer.FlushAsync(CancellationToken.None);
                FlushResult result = flush.IsCompleted ? flush.Result : flush.AsTask().GetAwaiter().GetResult();
                if (result.IsCompleted)
                {
                    break;
                }
            }
        }
        catch (Exception e)
        {
            // Whatever it is, it ends this connection and not the process.
            error = new ConnectionResetException(e.Message, e);
        }

        writer.Complete(error);
        ThreadPool.UnsafeQueueUserWorkItem(static connection => connection.TellClosed(), this, preferLocal: false);
    }

    private void TellClosed()
    {
        try
        {
            _closed.Cancel();
        }
        catch (AggregateException)
        {
            // Who was told has failed; the connection is closed all the same.
        }
        finally
        {
            _receiving.SetResult();
        }
    }

    private async Task SendAsync()
    {
        PipeReader reader = _toSend.Reader;
        Exception? error = null;
        try
        {
            while (true)
            {
                ReadResult result = await reader.ReadAsync(CancellationToken.None);
                foreach (ReadOnlyMemory<byte> piece in result.Buffer)
                {
                    for (ReadOnlySpan<byte> left = piece.Span; left.Length > 0;)
                    {
                        left = left[_socket.Send(left)..];
                    }
                }

                reader.AdvanceTo(result.Buffer.End);
                if (result.IsCompleted || result.IsCanceled)
                {
                    break;
                }
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // The client is gone; the receiving end hears the same.
            error = new ConnectionResetException(e.Message, e);
            Shut();
        }

        await reader.CompleteAsync(error);
    }

    // Wakes whoever waits in the kernel.
    private void Shut()
    {
        if (Interlocked.Exchange(ref _shut, 1) != 0)
        {
            return;
        }

        try
        {
            _socket.Shutdown(SocketShutdown.Both);
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // The client was faster.
        }
    }

    private sealed class Duplex(PipeReader input, PipeWriter output) : IDuplexPipe
    {
        public PipeReader Input { get; } = input;

        public PipeWriter Output { get; } = output;
    }
}
