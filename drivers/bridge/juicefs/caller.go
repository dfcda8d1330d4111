package main

import (
	"encoding/json"

	"github.com/juicedata/juicefs/pkg/meta"
)

// caller is the context of a call; the engine's own always has its permissions checked and at least one group.
type caller struct {
	meta.Context
	unchecked bool
}

func newCaller() *caller { return &caller{Context: meta.NewContext(1, 0, []uint32{0})} }

func (c *caller) CheckPermission() bool { return !c.unchecked }

func (c *caller) Gid() uint32 {
	if len(c.Gids()) == 0 {
		return 0
	}
	return c.Gids()[0]
}

func (c *caller) WithValue(key, value any) meta.Context {
	return &caller{c.Context.WithValue(key, value), c.unchecked}
}

// identity is the `ctx` of a call.
type identity struct {
	Uid             uint32   `opt:"yes"`
	Gids            []uint32 `opt:"yes"`
	Pid             uint32   `opt:"yes"`
	CheckPermission bool     `opt:"yes"`
}

func (i *identity) defaults() { *i = identity{Gids: []uint32{0}, Pid: 1, CheckPermission: true} }

// takeCaller takes the caller out of a call's parameters.
func takeCaller(params map[string]json.RawMessage) (*caller, error) {
	raw, given := params["ctx"]
	if !given {
		return newCaller(), nil
	}
	delete(params, "ctx")
	var p struct{ Ctx identity }
	if err := decodeObject(map[string]json.RawMessage{"ctx": raw}, &p); err != nil {
		return nil, err
	}
	return &caller{meta.NewContext(p.Ctx.Pid, p.Ctx.Uid, p.Ctx.Gids), !p.Ctx.CheckPermission}, nil
}
