// Package locate asks a location server of an underlying network where a terminal is, by the OMA RESTful Network API for Terminal
// Location 1.0 as TS-0004 annex G.2 has it: one query for one terminal.
package locate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

const (
	defaultTimeout = 5 * time.Second
	maxAnswer      = 64 << 10
	// accuracy is the position quality that is asked for, metres.
	accuracy = "100"
)

// Server is one location server. Its fields are set before its first use and not changed.
type Server struct {
	URL     string        // what comes before /queries/location, such as http://host/terminallocation/v1
	Timeout time.Duration // for one query; 0 is 5 s
	Client  *http.Client  // nil is http.DefaultClient
}

// Locate returns where target is, an address as the server knows it (tel:, sip:, acr:), as a GeoJSON point. requester is who wants to know
// it, for the server to permit; it may be empty.
func (s *Server) Locate(ctx context.Context, target, requester string) (json.RawMessage, error) {
	timeout := s.Timeout
	if timeout <= 0 {
		timeout = defaultTimeout
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	query := url.Values{"address": {target}, "requestedAccuracy": {accuracy}}
	if requester != "" {
		query.Set("requester", requester)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(s.URL, "/")+"/queries/location?"+query.Encode(), nil)
	if err != nil {
		return nil, fmt.Errorf("ask the location server: %w", err)
	}
	r.Header.Set("Accept", "application/json")
	client := s.Client
	if client == nil {
		client = http.DefaultClient
	}
	answer, err := client.Do(r)
	if err != nil {
		var failed *url.Error
		if errors.As(err, &failed) {
			err = failed.Err // without the URL, which names the target
		}
		return nil, fmt.Errorf("ask the location server: %w", err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	if err != nil {
		return nil, fmt.Errorf("read the answer of the location server: %w", err)
	}
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the location server answers %d%s", answer.StatusCode, exception(body))
	}
	return point(body)
}

// exception is the message of a requestError in an answer, such as POL0002 if the requester may not know; empty if there is none.
func exception(body []byte) string {
	var e struct {
		Error map[string]struct {
			ID string `json:"messageId"`
		} `json:"requestError"`
	}
	if json.Unmarshal(body, &e) == nil {
		for _, kind := range []string{"policyException", "serviceException"} {
			if id := e.Error[kind].ID; id != "" {
				return ", " + id
			}
		}
	}
	return ""
}

// terminal is the TerminalLocation of the API.
type terminal struct {
	Status  string `json:"locationRetrievalStatus"`
	Current struct {
		Latitude  json.RawMessage `json:"latitude"` // servers write numbers as such and as strings
		Longitude json.RawMessage `json:"longitude"`
	} `json:"currentLocation"`
}

// point reads the first terminal of an answer, whose list is an object if it has only one.
func point(body []byte) (json.RawMessage, error) {
	var list struct {
		Locations struct {
			Terminals json.RawMessage `json:"terminalLocation"`
		} `json:"terminalLocationList"`
	}
	if err := json.Unmarshal(body, &list); err != nil {
		return nil, fmt.Errorf("read the answer of the location server: %w", err)
	}
	var all []terminal
	if json.Unmarshal(list.Locations.Terminals, &all) != nil {
		all = make([]terminal, 1)
		if err := json.Unmarshal(list.Locations.Terminals, &all[0]); err != nil {
			return nil, fmt.Errorf("read the terminalLocationList of the location server: %w", err)
		}
	}
	if len(all) == 0 {
		return nil, errors.New("the location server knows no such terminal")
	}
	t := all[0]
	if t.Status != "Retrieved" {
		return nil, fmt.Errorf("the location server did not retrieve the location: %q", t.Status)
	}
	latitude, north := number(t.Current.Latitude)
	longitude, east := number(t.Current.Longitude)
	if !north || !east {
		return nil, errors.New("the location server answers without latitude and longitude")
	}
	return fmt.Appendf(nil, `{"type":"Point","coordinates":[%s,%s]}`, longitude, latitude), nil
}

// number is v as JSON has it, given as a number or as a string.
func number(v json.RawMessage) (text string, ok bool) {
	f, err := strconv.ParseFloat(strings.Trim(string(v), `"`), 64)
	b, failed := json.Marshal(f) // which refuses what is not finite
	return string(b), err == nil && failed == nil
}
