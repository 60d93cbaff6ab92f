namespace Ipcs.Libp2p.Muxing;

/// <summary>Writing.</summary>
internal sealed partial class MuxedStream
{
    /// <inheritdoc/>
    public override async ValueTask WriteAsync(ReadOnlyMemory<byte> data, bool flush, CancellationToken cancellationToken)
    {
        if (_localClosed)
        {
            ThrowIfReset();
            throw new StreamResetException("the stream is closed for writing");
        }

        while (data.Length > 0)
        {
            int n = await SendWindow.TakeAsync(Math.Min(data.Length, _muxer.MaxData), cancellationToken);
            if (n == 0)
            {
                ThrowIfReset();
                throw new StreamResetException("the stream is closed");
            }

            for (int end = data.Length - n; data.Length > end;)
            {
                data = data[await SendDataAsync(data[..(data.Length - end)], flush, cancellationToken)..];
            }
        }
    }

    /// <inheritdoc/>
    public override async ValueTask CloseWriteAsync(CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            if (_localClosed || _resetReason is not null)
            {
                return;
            }

            _localClosed = true;
        }

        await _muxer.SendCloseAsync(this, cancellationToken);
        _muxer.RemoveIfClosed(this);
    }

    private async ValueTask<int> SendDataAsync(ReadOnlyMemory<byte> data, bool flush, CancellationToken cancellationToken)
    {
        try
        {
            return await _muxer.SendDataAsync(this, data, flush, cancellationToken);
        }
        catch (IOException e)
        {
            ThrowIfReset();
            throw new StreamResetException($"the connection to {RemotePeer} has ended", e);
        }
    }

    private void ThrowIfReset()
    {
        if ((_resetReason ?? _lostReason) is { } reason)
        {
            throw new StreamResetException(reason);
        }
    }
}
