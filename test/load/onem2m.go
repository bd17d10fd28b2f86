package load

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
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
	t := Tree{URL: url, Base: base}
	aei, err := t.create(ctx, "/"+base, "C", 2, fmt.Sprintf(`{"m2m:ae":{"rn":%q,"api":"Nload","rr":false,"srv":["3"]}}`, name))
	if err != nil {
		return Tree{}, err
	}
	if t.Originator = aei; t.Originator == "" {
		return Tree{}, fmt.Errorf("register AE %s: the answer names no AE-ID", name)
	}
	if _, err := t.create(ctx, "/"+base+"/"+name, t.Originator, 3, `{"m2m:cnt":{"rn":"data","mni":100}}`); err != nil {
		return Tree{}, err
	}
	t.Container = "/" + base + "/" + name + "/data"
	_, err = t.create(ctx, t.Container, t.Originator, 4, `{"m2m:cin":{"con":"first"}}`)
	return t, err
}

// create posts one resource and returns the AE-ID of the answer, if it is an AE.
func (t Tree) create(ctx context.Context, path, originator string, ty int, body string) (aei string, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, t.URL+path, strings.NewReader(body))
	if err != nil {
		return "", fmt.Errorf("create under %s: %w", path, err)
	}
	request.Header.Set("X-M2M-Origin", originator)
	request.Header.Set("X-M2M-RI", fmt.Sprintf("prepare-%d", time.Now().UnixNano()))
	request.Header.Set("X-M2M-RVI", "3")
	request.Header.Set("Content-Type", fmt.Sprintf("application/json;ty=%d", ty))
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", fmt.Errorf("create under %s: %w", path, err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	if err != nil {
		return "", fmt.Errorf("create under %s: %w", path, err)
	}
	if response.StatusCode != http.StatusCreated {
		return "", fmt.Errorf("create under %s: %s: %s", path, response.Status, answer)
	}
	var created struct {
		AE struct {
			AEI string `json:"aei"`
		} `json:"m2m:ae"`
	}
	if err := json.Unmarshal(answer, &created); err != nil {
		return "", fmt.Errorf("create under %s: read answer: %w", path, err)
	}
	return created.AE.AEI, nil
}

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
	path := t.Container[:strings.LastIndexByte(t.Container, '/')]
	request, err := http.NewRequestWithContext(ctx, http.MethodDelete, t.URL+path, nil)
	if err != nil {
		return fmt.Errorf("delete %s: %w", path, err)
	}
	request.Header.Set("X-M2M-Origin", t.Originator)
	request.Header.Set("X-M2M-RI", fmt.Sprintf("remove-%d", time.Now().UnixNano()))
	request.Header.Set("X-M2M-RVI", "3")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return fmt.Errorf("delete %s: %w", path, err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("delete %s: %s", path, response.Status)
	}
	return nil
}
