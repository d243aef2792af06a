// Command deviceplugin serves a list of GPUs that do not exist to a kubelet that does.
//
// It speaks the device plugin API through Kubernetes' own stub, under the resource name and with the device ids,
// environment and device nodes that NVIDIA's plugin uses, so that everything above the kubelet sees what it would see
// on a machine with cards. The list is a file of lines "<uuid> healthy|unhealthy"; it is read again as it changes.
package main

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"time"

	"k8s.io/klog/v2"
	pluginapi "k8s.io/kubelet/pkg/apis/deviceplugin/v1beta1"
	stub "k8s.io/kubernetes/pkg/kubelet/cm/devicemanager/plugin/v1beta1"
)

const pollInterval = 200 * time.Millisecond

func main() {
	resource := flag.String("resource", "nvidia.com/gpu", "extended resource to serve")
	inventory := flag.String("inventory", "", "file of lines \"<uuid> healthy|unhealthy\"")
	directory := flag.String("socket-directory", "/var/lib/kubelet/device-plugins", "where the kubelet listens")
	flag.Parse()

	ctx, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer cancel()
	if err := run(ctx, *resource, *inventory, *directory); err != nil {
		fmt.Fprintf(os.Stderr, "deviceplugin: %v\n", err)
		os.Exit(1)
	}
}

// run serves until ctx ends. A kubelet that restarts removes every plugin's socket and makes its own anew; the new
// socket file is the sign to begin again from the list as it stands.
func run(ctx context.Context, resource, inventory, directory string) error {
	if _, err := readInventory(inventory); err != nil {
		return err
	}
	kubelet := filepath.Join(directory, "kubelet.sock")
	for ctx.Err() == nil {
		current, err := os.Stat(kubelet)
		if err != nil {
			sleep(ctx)
			continue
		}
		if err := serve(ctx, current, kubelet, resource, inventory, directory); err != nil {
			fmt.Fprintf(os.Stderr, "deviceplugin: %v; trying again\n", err)
			sleep(ctx)
		}
	}
	return nil
}

// serve registers with one incarnation of the kubelet and returns when that one is gone.
func serve(ctx context.Context, kubeletFile os.FileInfo, kubelet, resource, inventory, directory string) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	logger := klog.FromContext(ctx)
	devices, err := readInventory(inventory)
	if err != nil {
		return err
	}
	plugin := stub.NewDevicePluginStub(logger, devices, filepath.Join(directory, "leaseport-gpu.sock"), resource, false, false)
	plugin.SetAllocFunc(allocate)
	if err := plugin.Start(ctx); err != nil {
		return fmt.Errorf("start of the plugin's server: %w", err)
	}
	defer func() { _ = plugin.Stop(logger) }()
	if err := plugin.Register(ctx, kubelet, resource, ""); err != nil {
		return fmt.Errorf("registration at %s: %w", kubelet, err)
	}

	// Update waits for the kubelet to take the list, so it has a goroutine of its own, which may outlive a kubelet
	// that never listens again; it then holds nothing but this incarnation's channel.
	go func() {
		sent := devices
		for ctx.Err() == nil {
			sleep(ctx)
			next, err := readInventory(inventory)
			if err != nil || reflect.DeepEqual(health(sent), health(next)) {
				continue
			}
			plugin.Update(next)
			sent = next
		}
	}()
	for ctx.Err() == nil {
		sleep(ctx)
		current, err := os.Stat(kubelet)
		if err != nil || !os.SameFile(kubeletFile, current) || !kubeletFile.ModTime().Equal(current.ModTime()) {
			return nil
		}
	}
	return nil
}

// allocate answers as NVIDIA's plugin does with its default strategies: the uuids in NVIDIA_VISIBLE_DEVICES and one
// device node a card. The nodes lead to /dev/null: no driver stands behind them.
func allocate(request *pluginapi.AllocateRequest, devices map[string]*pluginapi.Device) (*pluginapi.AllocateResponse, error) {
	response := &pluginapi.AllocateResponse{}
	for _, container := range request.ContainerRequests {
		answer := &pluginapi.ContainerAllocateResponse{
			Envs: map[string]string{"NVIDIA_VISIBLE_DEVICES": strings.Join(container.DevicesIds, ",")},
		}
		for index, id := range container.DevicesIds {
			if _, ok := devices[id]; !ok {
				return nil, fmt.Errorf("device %s is not in the inventory", id)
			}
			answer.Devices = append(answer.Devices, &pluginapi.DeviceSpec{
				ContainerPath: fmt.Sprintf("/dev/nvidia%d", index),
				HostPath:      "/dev/null",
				Permissions:   "rw",
			})
		}
		response.ContainerResponses = append(response.ContainerResponses, answer)
	}
	return response, nil
}

func readInventory(path string) ([]*pluginapi.Device, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("--inventory: %w", err)
	}
	defer file.Close()
	var devices []*pluginapi.Device
	lines := bufio.NewScanner(file)
	for number := 1; lines.Scan(); number++ {
		fields := strings.Fields(lines.Text())
		if len(fields) == 0 {
			continue
		}
		if len(fields) != 2 {
			return nil, fmt.Errorf("--inventory %s:%d: want \"<uuid> healthy|unhealthy\", have %q", path, number, lines.Text())
		}
		device := &pluginapi.Device{ID: fields[0]}
		switch fields[1] {
		case "healthy":
			device.Health = pluginapi.Healthy
		case "unhealthy":
			device.Health = pluginapi.Unhealthy
		default:
			return nil, fmt.Errorf("--inventory %s:%d: health %q is neither healthy nor unhealthy", path, number, fields[1])
		}
		devices = append(devices, device)
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("--inventory %s: %w", path, err)
	}
	return devices, nil
}

func health(devices []*pluginapi.Device) map[string]string {
	found := make(map[string]string, len(devices))
	for _, device := range devices {
		found[device.ID] = device.Health
	}
	return found
}

func sleep(ctx context.Context) {
	select {
	case <-ctx.Done():
	case <-time.After(pollInterval):
	}
}
