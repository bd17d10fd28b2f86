package provider

import (
	"github.com/pulumi/pulumi-go-provider/infer"
)

// ConsulKey is a key of a stack in Consul's key-value store.
type ConsulKey struct{}

// ConsulKeyArgs are a ConsulKey's inputs.
type ConsulKeyArgs struct {
	Stack         string `pulumi:"stack"`
	ConsulAddress string `pulumi:"consulAddress"`
	ConsulToken   string `pulumi:"consulToken,optional" provider:"secret"`
	Key           string `pulumi:"key"`
	Value         string `pulumi:"value"`
}

// ConsulKeyState is a ConsulKey as it is.
type ConsulKeyState struct {
	ConsulKeyArgs
	ModifyIndex int `pulumi:"modifyIndex"`
}

// Annotate implements infer.Annotated.
func (k *ConsulKey) Annotate(a infer.Annotator) {
	a.Describe(k, "A key in Consul's key-value store, below viot/<stack>/: that prefix marks what is the stack's own. Import it by its full name.")
}

// Annotate implements infer.Annotated.
func (k *ConsulKeyArgs) Annotate(a infer.Annotator) {
	a.Describe(&k.Stack, "Stack it belongs to.")
	a.Describe(&k.ConsulAddress, "Address of Consul's HTTP API from this machine, such as 127.0.0.1:8500.")
	a.Describe(&k.ConsulToken, "ACL token. Default: none.")
	a.Describe(&k.Key, "Name, which begins with viot/<stack>/.")
	a.Describe(&k.Value, "What it holds, at most 512 KiB.")
}

// Annotate implements infer.Annotated.
func (k *ConsulKeyState) Annotate(a infer.Annotator) {
	a.Describe(&k.ModifyIndex, "Consul's index of the last write.")
}
