package main

import (
	"bytes"

	"github.com/juicedata/juicefs/pkg/acl"
	"github.com/juicedata/juicefs/pkg/meta"
)

func init() {
	on("xattr_get", func(c *call, p *struct {
		Inode meta.Ino
		Name  text
	}) (any, error) {
		var value []byte
		status := c.GetXattr(c.ctx, p.Inode, string(p.Name), &value)
		return told(text(value), status)
	})
	on("xattr_list", func(c *call, p *struct{ Inode meta.Ino }) (any, error) {
		var names []byte
		status := c.ListXattr(c.ctx, p.Inode, &names)
		list := bytes.Split(names, []byte{0})
		return told(texts(list[:len(list)-1]), status) // each name ends with a zero
	})
	on("xattr_set", func(c *call, p *struct {
		Inode       meta.Ino
		Name, Value text
		Flags       uint32 `opt:"yes"`
	}) (any, error) {
		return told(nothing, c.SetXattr(c.ctx, p.Inode, string(p.Name), []byte(p.Value), p.Flags))
	})
	on("xattr_remove", func(c *call, p *struct {
		Inode meta.Ino
		Name  text
	}) (any, error) {
		return told(nothing, c.RemoveXattr(c.ctx, p.Inode, string(p.Name)))
	})
	on("acl_set", func(c *call, p *struct {
		Inode meta.Ino
		Type  aclType
		Rule  rule
	}) (any, error) {
		return told(nothing, c.SetFacl(c.ctx, p.Inode, uint8(p.Type), p.Rule.engine()))
	})
	on("acl_get", func(c *call, p *struct {
		Inode meta.Ino
		Type  aclType
	}) (any, error) {
		var found acl.Rule
		status := c.GetFacl(c.ctx, p.Inode, uint8(p.Type), &found)
		return told(ruleOf(&found), status)
	})
}
