// content-bench is the client and the reference peer of the content benchmark.
//
//	content-bench serve SOCKET FOLDER                                the peer: containerd's local store behind a socket
//	content-bench measure [-mib N] [-runs N] [-repeat N] NAME=SOCKET[=PID]...    times of each plugin, alternating, as JSON
//	content-bench start SOCKET COMMAND...                            time until COMMAND answers its first RPC, as JSON
//	content-bench put SOCKET FILE                                    writes a content, and prints its digest
//	content-bench fetch SOCKET DIGEST                                waits until the plugin has fetched a content from its peers
//	content-bench info SOCKET PEER_SOCKET...                         wait of an Info for a content that a peer has, or nobody, as JSON
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"time"

	api "github.com/containerd/containerd/api/services/content/v1"
	"github.com/opencontainers/go-digest"
	"google.golang.org/grpc"
)

const maxMessage = 16 << 20 // the limit of containerd's proxy client in both directions

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "content-bench:", err)
		os.Exit(1)
	}
}

func run(words []string) error {
	switch {
	case len(words) == 3 && words[0] == "serve":
		return serve(words[1], words[2])
	case len(words) > 2 && words[0] == "start":
		return startUp(words[1], words[2:])
	case len(words) == 3 && words[0] == "put":
		written, err := put(words[1], words[2])
		if err == nil {
			fmt.Println(written)
		}
		return err
	case len(words) == 3 && words[0] == "fetch":
		return fetch(words[1], digest.Digest(words[2]))
	case len(words) > 2 && words[0] == "info":
		return infoWaits(words[1], words[2:])
	case len(words) > 1 && words[0] == "measure":
		flags := flag.NewFlagSet("measure", flag.ExitOnError)
		mib := flags.Int("mib", 256, "MiB of the content")
		runs := flags.Int("runs", 5, "runs, by turns; each figure is their median")
		repeat := flags.Int("repeat", 1, "how often a content is read each way in a run, for profilers")
		only := flags.String("only", "", "the one way of reading that is measured, for profilers")
		flags.Parse(words[1:])
		figures, err := measure(flags.Args(), *mib, *runs, *repeat, *only)
		if err != nil {
			return err
		}
		return json.NewEncoder(os.Stdout).Encode(figures)
	}
	return fmt.Errorf("usage: content-bench serve SOCKET FOLDER | measure [-mib N] [-runs N] NAME=SOCKET[=PID]... | " +
		"start SOCKET COMMAND... | put SOCKET FILE | fetch SOCKET DIGEST | info SOCKET PEER_SOCKET...")
}

func dial(socket string, wait time.Duration) (api.ContentClient, func() error, error) {
	ctx, cancel := context.WithTimeout(context.Background(), wait)
	defer cancel()
	connection, err := grpc.DialContext(ctx, "unix://"+socket, grpc.WithInsecure(), grpc.WithBlock(),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxMessage), grpc.MaxCallSendMsgSize(maxMessage)))
	if err != nil {
		return nil, nil, fmt.Errorf("nobody answers at %s: %w", socket, err)
	}
	return api.NewContentClient(connection), connection.Close, nil
}
