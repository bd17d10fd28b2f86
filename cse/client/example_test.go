package client_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/viot-project/viot/cse/client"
)

// A meter registers, makes a container and publishes into it.
func Example() {
	url, stop := exampleCSE()
	defer stop()
	ctx := context.Background()
	c := client.New(url, "C")
	id, err := c.Register(ctx, "cse-in", &client.AE{Common: client.Named("meter"), AppID: "Nmeter"}, client.Refuse)
	if err != nil {
		fmt.Println(err)
		return
	}
	meter := c.As(id)
	data := &client.Container{Common: client.Named("data"), MaxNrOfInstances: new(int64(100))}
	if err := meter.Create(ctx, "cse-in/meter", data); err != nil {
		fmt.Println(err)
		return
	}
	for _, temperature := range []string{"20.5", "21.0"} {
		if _, err := meter.Publish(ctx, "cse-in/meter/data", temperature); err != nil {
			fmt.Println(err)
			return
		}
	}
	latest, err := meter.Latest(ctx, data.ResourceID)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(latest.Text())
	// Output: 21.0
}

// An application that restarts keeps the AE it has.
func ExampleClient_Register() {
	url, stop := exampleCSE()
	defer stop()
	ctx := context.Background()
	for range 2 {
		id, err := client.New(url, "Cmeter").Register(ctx, "cse-in", &client.AE{Common: client.Named("meter"), AppID: "Nmeter"}, client.Adopt)
		fmt.Println(id, err)
	}
	_, err := client.New(url, "Cmeter").Register(ctx, "cse-in", &client.AE{Common: client.Named("second"), AppID: "Nmeter"}, client.Refuse)
	fmt.Println(errors.Is(err, client.ErrAlreadyRegistered))
	// Output:
	// Cmeter <nil>
	// Cmeter <nil>
	// true
}

// What an originator may discover, page by page as the loop goes on.
func ExampleClient_Discover() {
	url, stop := exampleCSE()
	defer stop()
	ctx := context.Background()
	admin := client.New(url, "CAdmin")
	for _, room := range []string{"kitchen", "hall", "cellar"} {
		if err := admin.Create(ctx, "cse-in", &client.Container{Common: client.Named(room, "room")}); err != nil {
			fmt.Println(err)
			return
		}
	}
	for address, err := range admin.Discover(ctx, "cse-in", client.Filter{Labels: []string{"room"}}) {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(address)
	}
	// Output:
	// cse-in/cellar
	// cse-in/hall
	// cse-in/kitchen
}

// An AE with a pointOfAccess serves a Receiver there.
func ExampleReceiver() {
	http.Handle("/notifications", &client.Receiver{Handle: func(_ context.Context, n client.Notification) error {
		var i client.ContentInstance
		if n.Event == nil {
			return nil // the subscription has ended
		}
		if err := n.Event.Decode(&i); err != nil {
			return err // the CSE will repeat it
		}
		fmt.Println(i.Text())
		return nil
	}})
}
