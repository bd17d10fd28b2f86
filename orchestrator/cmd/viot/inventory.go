package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/viot-project/viot/infra/consul"
	"github.com/viot-project/viot/infra/docker"
	"github.com/viot-project/viot/infra/spec"
)

// object is one thing on the engine that viot made.
type object struct {
	kind, name string
	remove     func(context.Context) error
}

// cacheImages are the local images of third-party software, which belong to no stack and are kept between stacks.
var cacheImages = []string{"viot-base:*", "viot-consul:*", "viot-haproxy:*", "viot-postgres:*"}

// objects lists what carries the label of a stack, or of any stack when stack is empty, in an order in which it can
// be removed: containers before what they hold on to.
func objects(ctx context.Context, engine *docker.Client, stack string) ([]object, error) {
	var all []object
	images := "viot-*/*"
	if stack != "" {
		images = "viot-" + stack + "/*"
	}
	ours := func(labels map[string]string) bool {
		owner, ok := labels[spec.LabelStack]
		return ok && (stack == "" || owner == stack)
	}
	containers, err := engine.ListContainers(ctx, nil)
	if err != nil {
		return nil, err
	}
	for _, c := range containers {
		if ours(c.Labels) {
			all = append(all, object{"container", c.Name, func(ctx context.Context) error { return engine.RemoveContainer(ctx, c.ID) }})
		}
	}
	networks, err := engine.ListNetworks(ctx, nil)
	if err != nil {
		return nil, err
	}
	for _, n := range networks {
		if ours(n.Labels) {
			all = append(all, object{"network", n.Name, func(ctx context.Context) error { return engine.RemoveNetwork(ctx, n.ID) }})
		}
	}
	volumes, err := engine.ListVolumes(ctx, nil)
	if err != nil {
		return nil, err
	}
	for _, v := range volumes {
		if ours(v.Labels) {
			all = append(all, object{"volume", v.Name, func(ctx context.Context) error { return engine.RemoveVolume(ctx, v.Name) }})
		}
	}
	tags, err := imageTags(ctx, engine, images)
	return append(all, tags...), err
}

// imageTags lists the tags that match pattern; an image may have others beside.
func imageTags(ctx context.Context, engine *docker.Client, pattern string) ([]object, error) {
	images, err := engine.ListImages(ctx, pattern)
	if err != nil {
		return nil, err
	}
	prefix, _, _ := strings.Cut(pattern, "*")
	var all []object
	for _, i := range images {
		for _, tag := range i.Tags {
			if strings.HasPrefix(tag, prefix) {
				all = append(all, object{"image", tag, func(ctx context.Context) error { return engine.RemoveImage(ctx, tag) }})
			}
		}
	}
	return all, nil
}

// registrations lists the instances a stack has in Consul. They live and end with it.
func registrations(ctx context.Context, address, stack string) ([]string, error) {
	c, err := consul.New(address, "")
	if err != nil {
		return nil, err
	}
	services, err := c.Services(ctx)
	if err != nil {
		return nil, err
	}
	var ids []string
	for _, service := range services {
		instances, _, err := c.Instances(ctx, service, 0, 0)
		if err != nil {
			return nil, err
		}
		for _, i := range instances {
			if i.Meta[spec.MetaStack] == stack {
				ids = append(ids, i.ID)
			}
		}
	}
	slices.Sort(ids)
	return ids, nil
}

// thing is an object as it is told with -o json.
type thing struct {
	Kind string `json:"kind"` // container, network, volume, image or registration
	Name string `json:"name"`
}

// newInventory prints a line for each thing a stack has: container, network, volume, image, registration.
func newInventory(o *operator) *cobra.Command {
	c := &cobra.Command{Use: "inventory", Short: "list what a stack has on the Docker Engine and in its Consul", Args: arguments(0, 0)}
	stack := c.Flags().String("stack", "dev", "stack to list")
	any := c.Flags().Bool("any", false, "list the objects of every stack")
	address := c.Flags().String("consul", "", "address of the stack's Consul; lists its registrations too, when it answers")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if *any {
			*stack = ""
		}
		things, err := inventory(c.Context(), *stack, *address)
		if err != nil {
			return err
		}
		if o.output == "json" {
			return printJSON(c.OutOrStdout(), things)
		}
		for _, t := range things {
			fmt.Fprintln(c.OutOrStdout(), t.Kind, t.Name)
		}
		return nil
	}
	return c
}

// inventory lists what a stack, or any when it is empty, has; with the address of a Consul also the registrations there.
func inventory(ctx context.Context, stack, address string) ([]thing, error) {
	engine, err := docker.Open(ctx, "")
	if err != nil {
		return nil, err
	}
	defer engine.Close()
	all, err := objects(ctx, engine, stack)
	if err != nil {
		return nil, fmt.Errorf("list the stack's objects: %w", err)
	}
	things := []thing{}
	for _, o := range all {
		things = append(things, thing{o.kind, o.name})
	}
	if address == "" {
		return things, nil
	}
	ids, err := registrations(ctx, address, stack)
	if errors.Is(err, consul.ErrUnavailable) {
		return things, nil // a Consul that is gone has no registrations
	}
	if err != nil {
		return nil, fmt.Errorf("list the stack's registrations: %w", err)
	}
	for _, id := range ids {
		things = append(things, thing{"registration", id})
	}
	return things, nil
}

// newSweep removes what carries a stack's label and prints a line for each thing removed. Nothing else is touched.
func newSweep(o *operator) *cobra.Command {
	c := &cobra.Command{Use: "sweep", Short: "remove what a stack left on the Docker Engine", Args: arguments(0, 0)}
	stack := c.Flags().String("stack", "", "stack whose left-overs to remove")
	cache := c.Flags().Bool("cache", false, "remove the local images of Consul, HAProxy and PostgreSQL and their base")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if (*stack == "") != *cache {
			return errors.New("sweep wants either -stack NAME or -cache")
		}
		removed := []thing{}
		err := sweep(c.Context(), *stack, func(t thing) {
			removed = append(removed, t)
			if o.output != "json" {
				fmt.Fprintln(c.OutOrStdout(), "removed", t.Kind, t.Name)
			}
		})
		if o.output == "json" {
			err = errors.Join(printJSON(c.OutOrStdout(), removed), err)
		}
		return err
	}
	return c
}

// sweep removes what carries the label of a stack, or the cached images when it is empty, and tells each thing removed.
func sweep(ctx context.Context, stack string, removed func(thing)) error {
	engine, err := docker.Open(ctx, "")
	if err != nil {
		return err
	}
	defer engine.Close()
	var all []object
	if stack == "" {
		for _, pattern := range cacheImages {
			tags, err := imageTags(ctx, engine, pattern)
			if err != nil {
				return fmt.Errorf("list cached images: %w", err)
			}
			all = append(all, tags...)
		}
	} else if all, err = objects(ctx, engine, stack); err != nil {
		return fmt.Errorf("list the stack's objects: %w", err)
	}
	var failed []error
	for _, o := range all {
		if err := o.remove(ctx); err != nil {
			failed = append(failed, fmt.Errorf("remove %s %s: %w", o.kind, o.name, err))
			continue
		}
		removed(thing{o.kind, o.name})
	}
	return errors.Join(failed...)
}
