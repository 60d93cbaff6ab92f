package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/containerd/containerd/content"
	"github.com/containerd/containerd/content/proxy"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// put writes a file to a plugin as containerd's client writes a layer, and returns its digest.
func put(socket, path string) (digest.Digest, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer file.Close()
	described, err := digest.FromReader(bufio.NewReaderSize(file, 1<<20))
	if err != nil {
		return "", err
	}
	stat, err := file.Stat()
	if err != nil {
		return "", err
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return "", err
	}
	client, hangUp, err := dial(socket, 30*time.Second)
	if err != nil {
		return "", err
	}
	defer hangUp()
	layer := ocispec.Descriptor{Size: stat.Size(), Digest: described}
	return described, content.WriteBlob(context.Background(), proxy.NewContentStore(client), described.String(), file, layer)
}

// fetch asks a plugin for a content that its peers have, and waits for the last byte, which the plugin gives when it has the whole.
func fetch(socket string, wanted digest.Digest) error {
	client, hangUp, err := dial(socket, 30*time.Second)
	if err != nil {
		return err
	}
	defer hangUp()
	ctx, store := context.Background(), proxy.NewContentStore(client)
	info, err := store.Info(ctx, wanted)
	if err != nil {
		return err
	}
	reader, err := store.ReaderAt(ctx, ocispec.Descriptor{Size: info.Size, Digest: wanted})
	if err != nil {
		return err
	}
	defer reader.Close()
	if n, err := reader.ReadAt(make([]byte, 1), info.Size-1); n != 1 || (err != nil && !errors.Is(err, io.EOF)) {
		return fmt.Errorf("the last byte of %s: %w", wanted, err)
	}
	return nil
}
