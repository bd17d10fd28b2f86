// Package client is how applications talk to a oneM2M CSE over HTTP (Mca, TS-0009): typed resources with the standard's long names,
// requests that are repeated until they are answered, discovery as an iterator, and both ways of being notified. It needs nothing
// but the standard library.
//
// A Client speaks for one originator. Addresses are as in TS-0001 clause 7.2: cse-in/ae/data or a resource identifier, /cse-id/…,
// //sp-id/cse-id/….
//
//	c := client.New("http://localhost:8080", "C")
//	id, err := c.Register(ctx, "cse-in", &client.AE{Common: client.Named("meter"), AppID: "Nmeter"}, client.Refuse)
//	…
//	meter := c.As(id)
//	err = meter.Create(ctx, "cse-in/meter", &client.Container{Common: client.Named("data"), MaxNrOfInstances: new(int64(100))})
//	…
//	_, err = meter.Publish(ctx, "cse-in/meter/data", "21.5")
//	…
//	latest, err := meter.Latest(ctx, "cse-in/meter/data")
//
// Every try of one request has the same request identifier, by which viot's CSE recognises a create that it has carried out
// already, on whichever instance: it makes one resource and answers every try with it.
package client
