package main

import (
	"github.com/juicedata/juicefs/pkg/meta"
)

// directory is an open directory; `plus` says whether its entries have attributes.
type directory struct {
	meta.DirHandler
	plus bool
}

func init() {
	on("readdir", func(c *call, p *struct {
		Inode meta.Ino
		Plus  bool `opt:"yes"`
	}) (any, error) {
		var wanted uint8
		if p.Plus {
			wanted = 1
		}
		var entries []*meta.Entry
		status := c.Readdir(c.ctx, p.Inode, wanted, &entries)
		return told(entriesOf(entries, p.Plus), status)
	})
	on("opendir", func(c *call, p *struct {
		Inode meta.Ino
		Plus  bool `opt:"yes"`
	}) (any, error) {
		handler, status := c.NewDirHandler(c.ctx, p.Inode, p.Plus, nil)
		if status != 0 {
			return nil, status
		}
		return map[string]int{"handle": c.keep(directory{handler, p.Plus})}, nil
	})
	on("dir_list", func(c *call, p *struct {
		Handle int
		Offset int `opt:"yes"`
	}) (any, error) {
		return c.with(p.Handle, func(open directory) (any, error) {
			entries, status := open.List(c.ctx, p.Offset)
			return told(entriesOf(entries, open.plus), status)
		})
	})
	on("dir_read", func(c *call, p *struct {
		Handle int
		Offset int `opt:"yes"`
	}) (any, error) {
		return c.with(p.Handle, func(open directory) (any, error) { open.Read(p.Offset); return nothing, nil })
	})
	on("dir_insert", func(c *call, p *struct {
		Handle int
		Inode  meta.Ino
		Name   text
		Attr   attr
	}) (any, error) {
		return c.with(p.Handle, func(open directory) (any, error) {
			open.Insert(p.Inode, string(p.Name), p.Attr.engine())
			return nothing, nil
		})
	})
	on("dir_delete", func(c *call, p *struct {
		Handle int
		Name   text
	}) (any, error) {
		return c.with(p.Handle, func(open directory) (any, error) { open.Delete(string(p.Name)); return nothing, nil })
	})
	on("dir_close", func(c *call, p *struct{ Handle int }) (any, error) {
		return c.with(p.Handle, func(open directory) (any, error) { open.Close(); return nothing, nil })
	})
}
