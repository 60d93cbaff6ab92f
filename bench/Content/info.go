package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand"
	"os"
	"sort"
	"time"

	"github.com/containerd/containerd/content"
	"github.com/containerd/containerd/content/proxy"
	"github.com/containerd/containerd/errdefs"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

const (
	infos    = 100
	infoSize = 600_000 // bytes of each content: a few blocks
)

type waits struct {
	Median float64 `json:"median"` // milliseconds
	Most   float64 `json:"most"`
}

// infoWaits calls Info of a plugin for contents that it writes to a peer first, and for contents that nobody has.
func infoWaits(socket string, peers []string) error {
	var stores []content.Store
	for _, each := range append([]string{socket}, peers...) {
		client, hangUp, err := dial(each, 30*time.Second)
		if err != nil {
			return err
		}
		defer hangUp()
		stores = append(stores, proxy.NewContentStore(client))
	}
	ctx, random, data := context.Background(), rand.New(rand.NewSource(time.Now().UnixNano())), make([]byte, infoSize)
	var known, unknown []float64
	for i := 0; i < infos; i++ {
		random.Read(data)
		d := ocispec.Descriptor{Size: infoSize, Digest: digest.FromBytes(data)}
		if err := content.WriteBlob(ctx, stores[1+i%len(peers)], d.Digest.String(), bytes.NewReader(data), d); err != nil {
			return err
		}
		begin := time.Now()
		if info, err := stores[0].Info(ctx, d.Digest); err != nil || info.Size != infoSize {
			return fmt.Errorf("a content that a peer has: %d bytes, %v", info.Size, err)
		}
		known = append(known, milliseconds(begin))
		random.Read(data[:32])
		begin = time.Now()
		if _, err := stores[0].Info(ctx, digest.FromBytes(data[:32])); !errdefs.IsNotFound(err) {
			return fmt.Errorf("a content that nobody has: %v", err)
		}
		unknown = append(unknown, milliseconds(begin))
	}
	return json.NewEncoder(os.Stdout).Encode(map[string]waits{"known": summary(known), "unknown": summary(unknown)})
}

func milliseconds(begin time.Time) float64 {
	return float64(time.Since(begin).Microseconds()) / 1000
}

func summary(values []float64) waits {
	sort.Float64s(values)
	return waits{values[len(values)/2], values[len(values)-1]}
}
