package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	api "github.com/containerd/containerd/api/services/content/v1"
)

// startUp starts a command, waits until its socket answers an RPC, and stops it.
func startUp(socket string, words []string) error {
	os.Remove(socket)
	command := exec.Command(words[0], words[1:]...)
	command.Stderr = os.Stderr
	begin := time.Now()
	if err := command.Start(); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- command.Wait() }()
	for {
		if _, err := os.Stat(socket); err == nil {
			break
		}
		select {
		case err := <-ended:
			return fmt.Errorf("%s ended before it had opened %s: %v", words[0], socket, err)
		case <-time.After(time.Millisecond):
		}
		if time.Since(begin) > 30*time.Second {
			return fmt.Errorf("%s did not open %s within 30 s", words[0], socket)
		}
	}
	client, hangUp, err := dial(socket, 30*time.Second)
	if err != nil {
		return err
	}
	defer hangUp()
	if _, err := client.ListStatuses(context.Background(), &api.ListStatusesRequest{}); err != nil {
		return err
	}
	took := time.Since(begin)
	time.Sleep(2 * time.Second) // memory used only during the start is released by then
	idle := resident(command.Process.Pid)
	command.Process.Signal(syscall.SIGTERM)
	<-ended
	return json.NewEncoder(os.Stdout).Encode(map[string]float64{"milliseconds": float64(took.Microseconds()) / 1000, "idleMiB": idle})
}

// resident is the resident memory of a process in MiB.
func resident(pid int) float64 {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	for _, line := range strings.Split(string(text), "\n") {
		var kib float64
		if _, err := fmt.Sscanf(line, "VmRSS: %f kB", &kib); err == nil {
			return kib / 1024
		}
	}
	return 0
}
