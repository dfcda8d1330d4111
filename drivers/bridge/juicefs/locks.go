package main

import (
	"github.com/juicedata/juicefs/pkg/meta"
)

type heldPlock struct {
	Sid   uint64   `json:"sid"`
	Owner uint64   `json:"owner"`
	Type  lockType `json:"type"`
	Pid   uint32   `json:"pid"`
	Start uint64   `json:"start"`
	End   uint64   `json:"end"`
}

type heldFlock struct {
	Sid   uint64 `json:"sid"`
	Owner uint64 `json:"owner"`
	Type  string `json:"type"`
}

func init() {
	on("flock", func(c *call, p *struct {
		Inode meta.Ino
		Owner uint64
		Type  lockType
		Block bool `opt:"yes"`
	}) (any, error) {
		return told(nothing, c.Flock(c.ctx, p.Inode, p.Owner, uint32(p.Type), p.Block))
	})
	on("setlk", func(c *call, p *struct {
		Inode      meta.Ino
		Owner      uint64
		Block      bool `opt:"yes"`
		Type       lockType
		Start, End uint64
		Pid        uint32 `opt:"yes"`
	}) (any, error) {
		return told(nothing, c.Setlk(c.ctx, p.Inode, p.Owner, p.Block, uint32(p.Type), p.Start, p.End, p.Pid))
	})
	on("getlk", func(c *call, p *struct {
		Inode      meta.Ino
		Owner      uint64
		Type       lockType
		Start, End uint64
	}) (any, error) {
		var pid uint32
		status := c.Getlk(c.ctx, p.Inode, p.Owner, (*uint32)(&p.Type), &p.Start, &p.End, &pid)
		return told(lockRecord{p.Type, pid, p.Start, p.End}, status)
	})
	on("locks_list", func(c *call, p *struct{ Inode meta.Ino }) (any, error) {
		records, flocks, err := c.ListLocks(c.ctx, p.Inode)
		if err != nil {
			return nil, err
		}
		held := struct {
			Plocks []heldPlock `json:"plocks"`
			Flocks []heldFlock `json:"flocks"`
		}{[]heldPlock{}, []heldFlock{}}
		for _, r := range records {
			held.Plocks = append(held.Plocks, heldPlock{r.Sid, r.Owner, lockType(r.Type), r.Pid, r.Start, r.End})
		}
		for _, f := range flocks {
			held.Flocks = append(held.Flocks, heldFlock{f.Sid, f.Owner, f.Type})
		}
		return held, nil
	})
}
