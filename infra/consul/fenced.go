package consul

import (
	"context"
	"fmt"

	"github.com/hashicorp/consul/api"
)

// Op is one write of a transaction, made by OpPut, OpPutIf, OpDelete, OpDeleteIf or OpDeleteTree.
type Op struct{ kv api.KVTxnOp }

// OpPut writes a key whatever it held.
func OpPut(key string, value []byte) Op {
	return Op{api.KVTxnOp{Verb: api.KVSet, Key: key, Value: value}}
}

// OpPutIf writes a key when its ModifyIndex still is index, 0 meaning that it must not exist.
func OpPutIf(key string, value []byte, index uint64) Op {
	return Op{api.KVTxnOp{Verb: api.KVCAS, Key: key, Value: value, Index: index}}
}

// OpDelete removes a key; one that is not there is removed.
func OpDelete(key string) Op { return Op{api.KVTxnOp{Verb: api.KVDelete, Key: key}} }

// OpDeleteIf removes a key when its ModifyIndex still is index.
func OpDeleteIf(key string, index uint64) Op {
	return Op{api.KVTxnOp{Verb: api.KVDeleteCAS, Key: key, Index: index}}
}

// OpDeleteTree removes every key that starts with prefix.
func OpDeleteTree(prefix string) Op { return Op{api.KVTxnOp{Verb: api.KVDeleteTree, Key: prefix}} }

// maxTransaction is how many operations Consul takes in one transaction.
const maxTransaction = 64

// Fenced makes all the writes or none, in one transaction, and only while session holds leaderKey; ErrNotLeader
// when it does not, ErrConflict when an OpPutIf or OpDeleteIf lost. At most 63 operations.
func (c *Client) Fenced(ctx context.Context, leaderKey, session string, ops ...Op) error {
	if len(ops) >= maxTransaction {
		return fmt.Errorf("write as holder of %s: %d operations, want at most %d", leaderKey, len(ops), maxTransaction-1)
	}
	what := "write as holder of " + leaderKey
	txn := make(api.TxnOps, 0, len(ops)+1)
	txn = append(txn, &api.TxnOp{KV: &api.KVTxnOp{Verb: api.KVCheckSession, Key: leaderKey, Session: session}})
	for _, op := range ops {
		txn = append(txn, &api.TxnOp{KV: &op.kv})
	}
	ctx, cancel := context.WithTimeoutCause(ctx, callTimeout, errCallTimeout)
	defer cancel()
	done, answer, _, err := c.api.Txn().Txn(txn, c.query(ctx))
	if err != nil {
		return failure(ctx, what, err)
	}
	if done {
		return nil
	}
	for _, e := range answer.Errors {
		if e.OpIndex == 0 { // the check that the session holds the key
			return fmt.Errorf("%s: %w: %s", what, ErrNotLeader, e.What)
		}
	}
	return fmt.Errorf("%s: %w", what, ErrConflict)
}
