package main

import (
	"net"
	"os"
	"path/filepath"
	"sync"

	api "github.com/containerd/containerd/api/services/content/v1"
	"github.com/containerd/containerd/content/local"
	"github.com/containerd/containerd/services/content/contentserver"
	"github.com/opencontainers/go-digest"
	"google.golang.org/grpc"
)

// memoryLabels keeps labels in memory: the store requires a place for them.
type memoryLabels struct {
	lock   sync.Mutex
	labels map[digest.Digest]map[string]string
}

func (m *memoryLabels) Get(d digest.Digest) (map[string]string, error) {
	m.lock.Lock()
	defer m.lock.Unlock()
	return copyOf(m.labels[d]), nil
}

func (m *memoryLabels) Set(d digest.Digest, given map[string]string) error {
	m.lock.Lock()
	defer m.lock.Unlock()
	m.labels[d] = copyOf(given)
	return nil
}

func (m *memoryLabels) Update(d digest.Digest, given map[string]string) (map[string]string, error) {
	m.lock.Lock()
	defer m.lock.Unlock()
	all := copyOf(m.labels[d])
	for key, value := range given {
		all[key] = value
		if value == "" {
			delete(all, key)
		}
	}
	m.labels[d] = all
	return copyOf(all), nil
}

func copyOf(labels map[string]string) map[string]string {
	all := make(map[string]string, len(labels))
	for key, value := range labels {
		all[key] = value
	}
	return all
}

// serve runs the reference that ipcs is compared with: containerd's own local store behind containerd's own service.
func serve(socket, folder string) error {
	if err := os.MkdirAll(filepath.Join(folder, "blobs", "sha256"), 0o700); err != nil {
		return err
	}
	store, err := local.NewLabeledStore(folder, &memoryLabels{labels: map[digest.Digest]map[string]string{}})
	if err != nil {
		return err
	}
	os.Remove(socket)
	listener, err := net.Listen("unix", socket)
	if err != nil {
		return err
	}
	server := grpc.NewServer(grpc.MaxRecvMsgSize(maxMessage), grpc.MaxSendMsgSize(maxMessage))
	api.RegisterContentServer(server, contentserver.New(store))
	return server.Serve(listener)
}
