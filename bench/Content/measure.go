package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand"
	"os"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/containerd/containerd/content"
	"github.com/containerd/containerd/content/proxy"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// plugin is a content plugin under test, used through containerd's own client.
type plugin struct {
	name, pid string
	store     content.Store
	rates     map[string][]float64 // MiB/s of each run
	cpu       map[string][]float64 // seconds of the plugin's process per GiB, of each run
	client    map[string][]float64 // seconds of this process per GiB, of each run
}

type figures struct {
	MiB     int                           `json:"mib"`
	Runs    int                           `json:"runs"`
	Rates   map[string]map[string]float64 `json:"rates"`   // MiB/s by plugin and work: medians
	CPU     map[string]map[string]float64 `json:"cpu"`     // seconds of the plugin's process per GiB: medians
	Client  map[string]map[string]float64 `json:"client"`  // seconds of the client's process per GiB: medians
	PeakMiB map[string]float64            `json:"peakMiB"` // the most memory a plugin's process had
}

// The kinds of work, in the order in which they are measured.
var works = []struct {
	name string
	do   func(*plugin, context.Context, []byte, ocispec.Descriptor) error
}{
	{"write", write},
	{"read by 32 KiB", func(p *plugin, ctx context.Context, data []byte, d ocispec.Descriptor) error {
		return p.readBy(ctx, make([]byte, 32<<10), data, d)
	}},
	{"read by 1 MiB", func(p *plugin, ctx context.Context, data []byte, d ocispec.Descriptor) error {
		return p.readBy(ctx, make([]byte, 1<<20), data, d)
	}},
	{"read whole", func(p *plugin, ctx context.Context, data []byte, d ocispec.Descriptor) error {
		return p.readBy(ctx, kept(len(data)), data, d)
	}},
	{"read whole into new memory", readNew},
}

func measure(words []string, mib, runs, repeat int, only string) (*figures, error) {
	var plugins []*plugin
	for _, word := range words {
		parts := strings.SplitN(word+"==", "=", 4)
		client, hangUp, err := dial(parts[1], 30*time.Second)
		if err != nil {
			return nil, err
		}
		defer hangUp()
		plugins = append(plugins, &plugin{parts[0], parts[2], proxy.NewContentStore(client), map[string][]float64{}, map[string][]float64{},
			map[string][]float64{}})
	}
	data := make([]byte, mib<<20)
	for run := 0; run <= runs; run++ { // the first is a warm-up
		rand.New(rand.NewSource(int64(run))).Read(data) // new bytes, which no store has yet
		descriptor := ocispec.Descriptor{Size: int64(len(data)), Digest: digest.FromBytes(data)}
		for i := range plugins {
			if err := plugins[(i+run)%len(plugins)].run(data, descriptor, run > 0, repeat, only); err != nil {
				return nil, err
			}
		}
	}
	result := &figures{mib, runs, map[string]map[string]float64{}, map[string]map[string]float64{}, map[string]map[string]float64{},
		map[string]float64{}}
	for _, p := range plugins {
		result.Rates[p.name], result.CPU[p.name], result.Client[p.name] = medians(p.rates), medians(p.cpu), medians(p.client)
		if p.pid != "" {
			result.PeakMiB[p.name] = peak(p.pid)
		}
	}
	return result, nil
}

func (p *plugin) run(data []byte, descriptor ocispec.Descriptor, counts bool, repeat int, only string) error {
	ctx := context.Background()
	for _, work := range works {
		begin, used, mine := time.Now(), cpu(p.pid), cpu("self")
		times := repeat
		if work.name == "write" {
			times = 1
		} else if only != "" && work.name != only {
			continue
		}
		for i := 0; i < times; i++ {
			if err := work.do(p, ctx, data, descriptor); err != nil {
				return fmt.Errorf("%s, %s: %w", p.name, work.name, err)
			}
		}
		if counts {
			done := float64(len(data) * times)
			p.rates[work.name] = append(p.rates[work.name], done/(1<<20)/time.Since(begin).Seconds())
			p.cpu[work.name] = append(p.cpu[work.name], (cpu(p.pid)-used)/done*(1<<30))
			p.client[work.name] = append(p.client[work.name], (cpu("self")-mine)/done*(1<<30))
		}
	}
	return p.store.Delete(ctx, descriptor.Digest)
}

func write(p *plugin, ctx context.Context, data []byte, d ocispec.Descriptor) error {
	// Without its WriteTo the reader is copied like a download, through containerd's buffers of 1 MiB.
	return content.WriteBlob(ctx, p.store, "bench-"+d.Digest.String(), struct{ io.Reader }{bytes.NewReader(data)}, d)
}

// readBy reads in sequence with one new Read stream per piece, as unpacking does.
func (p *plugin) readBy(ctx context.Context, buffer, data []byte, d ocispec.Descriptor) error {
	reader, err := p.store.ReaderAt(ctx, d)
	if err != nil {
		return err
	}
	defer reader.Close()
	for offset := int64(0); offset < d.Size; {
		n, err := reader.ReadAt(buffer, offset)
		if n == 0 {
			return fmt.Errorf("nothing read at %d: %w", offset, err)
		}
		if !bytes.Equal(buffer[:n], data[offset:offset+int64(n)]) {
			return fmt.Errorf("other bytes than were written at %d", offset)
		}
		offset += int64(n)
	}
	return nil
}

// readNew allocates new memory for the whole content each time, which takes longer than reading.
func readNew(p *plugin, ctx context.Context, data []byte, d ocispec.Descriptor) error {
	got, err := content.ReadBlob(ctx, p.store, d)
	if err == nil && !bytes.Equal(got, data) {
		err = fmt.Errorf("other bytes than were written")
	}
	return err
}

var buffer []byte

// kept is a reused buffer.
func kept(length int) []byte {
	if len(buffer) != length {
		buffer = bytes.Repeat([]byte{1}, length)
	}
	return buffer
}

func medians(all map[string][]float64) map[string]float64 {
	result := map[string]float64{}
	for work, values := range all {
		sort.Float64s(values)
		result[work] = (values[len(values)/2] + values[(len(values)-1)/2]) / 2
	}
	return result
}

// cpu is the processor time of a process in seconds; /proc counts it in hundredths.
func cpu(pid string) float64 {
	text, _ := os.ReadFile("/proc/" + pid + "/stat")
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	if len(fields) < 13 {
		return 0
	}
	user, _ := strconv.ParseFloat(fields[11], 64)
	system, _ := strconv.ParseFloat(fields[12], 64)
	return (user + system) / 100
}

// peak is the peak resident memory of a process in MiB.
func peak(pid string) float64 {
	text, _ := os.ReadFile("/proc/" + pid + "/status")
	for _, line := range strings.Split(string(text), "\n") {
		var kib float64
		if _, err := fmt.Sscanf(line, "VmHWM: %f kB", &kib); err == nil {
			return kib / 1024
		}
	}
	return 0
}
