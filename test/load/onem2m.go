package load

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/viot-project/viot/cse/client"
)

// Tree is where a mix reads and writes: an AE of the run's own with one container.
type Tree struct {
	URL        string // of the Mca, without a trailing slash
	Base       string // CSEBase name
	Originator string // AE-ID the CSE assigned
	Container  string // path of the container
}

// Prepare registers an AE named name with a container that keeps the newest 100 contents, and writes one.
func Prepare(ctx context.Context, url, base, name string) (Tree, error) {
	ae := &client.AE{Common: client.Named(name), AppID: "Nload"}
	originator, err := client.New(url, "C").Register(ctx, base, ae, client.Refuse)
	if err != nil {
		return Tree{}, err
	}
	t := Tree{URL: url, Base: base, Originator: originator, Container: "/" + base + "/" + name + "/data"}
	c := t.Client()
	data := &client.Container{Common: client.Named("data"), MaxNrOfInstances: new(int64(100))}
	if err := c.Create(ctx, base+"/"+name, data); err != nil {
		return Tree{}, err
	}
	_, err = c.Publish(ctx, base+"/"+name+"/data", "first")
	return t, err
}

// Client speaks for the AE of t.
func (t Tree) Client() *client.Client { return client.New(t.URL, t.Originator) }

// Mix reads the latest content and writes every fourth time.
func (t Tree) Mix(connection, sequence int) Request {
	header := map[string]string{"X-M2M-Origin": t.Originator, "X-M2M-RVI": "3"}
	if sequence%4 != 3 {
		return Request{Method: http.MethodGet, Path: t.Container + "/la", Header: header}
	}
	header["Content-Type"] = "application/json;ty=4"
	return Request{Method: http.MethodPost, Path: t.Container, Header: header,
		Body: fmt.Sprintf(`{"m2m:cin":{"con":"%080d-%d-%d"}}`, 0, connection, sequence)}
}

// Remove deletes the tree's AE and all below it.
func (t Tree) Remove(ctx context.Context) error {
	return t.Client().Delete(ctx, strings.Trim(t.Container[:strings.LastIndexByte(t.Container, '/')], "/"))
}
