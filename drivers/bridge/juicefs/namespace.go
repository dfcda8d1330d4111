package main

import (
	"cmp"
	"syscall"

	"github.com/juicedata/juicefs/pkg/meta"
)

func init() {
	on("lookup", func(c *call, p *struct {
		Parent          meta.Ino
		Name            text
		CheckPermission bool `opt:"yes"`
	}) (any, error) {
		return found(func(inode *meta.Ino, attr *meta.Attr) syscall.Errno {
			return c.Lookup(c.ctx, p.Parent, string(p.Name), inode, attr, p.CheckPermission)
		})
	})
	on("resolve", func(c *call, p *struct {
		Parent meta.Ino
		Path   text
		Force  bool `opt:"yes"`
	}) (any, error) {
		return found(func(inode *meta.Ino, attr *meta.Attr) syscall.Errno {
			return c.resolve(p.Parent, string(p.Path), inode, attr, p.Force)
		})
	})
	on("getattr", func(c *call, p *struct{ Inode meta.Ino }) (any, error) {
		var attr meta.Attr
		status := c.GetAttr(c.ctx, p.Inode, &attr)
		return told(attrOf(&attr), status)
	})
	on("setattr", func(c *call, p *struct {
		Inode meta.Ino
		Set   setAttrFlags
		Attr  attr
	}) (any, error) {
		attr := p.Attr.engine()
		status := c.SetAttr(c.ctx, p.Inode, uint16(p.Set), 0, attr)
		return told(attrOf(attr), status)
	})
	on("check_setattr", func(c *call, p *struct {
		Inode meta.Ino
		Set   setAttrFlags
		Attr  attr
	}) (any, error) {
		return told(nothing, c.CheckSetAttr(c.ctx, p.Inode, uint16(p.Set), *p.Attr.engine()))
	})
	on("access", func(c *call, p *struct {
		Inode meta.Ino
		Mask  uint8
	}) (any, error) {
		return told(nothing, c.Access(c.ctx, p.Inode, p.Mask, nil))
	})

	on("mknod", func(c *call, p *struct {
		Parent meta.Ino
		Name   text
		Type   fileType
		Mode   uint16 `opt:"yes"`
		Umask  uint16 `opt:"yes"`
		Rdev   uint32 `opt:"yes"`
		Target text   `opt:"yes"`
	}) (any, error) {
		known := p.Type == meta.TypeFile || p.Type == meta.TypeDirectory
		return made(known, func(inode *meta.Ino, attr *meta.Attr) syscall.Errno {
			return c.Mknod(c.ctx, p.Parent, string(p.Name), uint8(p.Type), p.Mode, p.Umask, p.Rdev, string(p.Target), inode, attr)
		})
	})
	on("mkdir", func(c *call, p *struct {
		Parent meta.Ino
		Name   text
		Mode   uint16 `opt:"yes"`
		Umask  uint16 `opt:"yes"`
	}) (any, error) {
		return made(true, func(inode *meta.Ino, attr *meta.Attr) syscall.Errno {
			return c.Mkdir(c.ctx, p.Parent, string(p.Name), p.Mode, p.Umask, 0, inode, attr)
		})
	})
	on("create", func(c *call, p *struct {
		Parent meta.Ino
		Name   text
		Mode   uint16    `opt:"yes"`
		Umask  uint16    `opt:"yes"`
		Flags  openFlags `opt:"yes"`
	}) (any, error) {
		return made(true, func(inode *meta.Ino, attr *meta.Attr) syscall.Errno {
			return c.Create(c.ctx, p.Parent, string(p.Name), p.Mode, p.Umask, uint32(p.Flags), inode, attr)
		})
	})
	on("symlink", func(c *call, p *struct {
		Parent       meta.Ino
		Name, Target text
	}) (any, error) {
		return found(func(inode *meta.Ino, attr *meta.Attr) syscall.Errno {
			return c.Symlink(c.ctx, p.Parent, string(p.Name), string(p.Target), inode, attr)
		})
	})
	on("readlink", func(c *call, p *struct{ Inode meta.Ino }) (any, error) {
		var target []byte
		status := c.ReadLink(c.ctx, p.Inode, &target)
		return told(text(target), status)
	})
	on("link", func(c *call, p *struct {
		Inode, Parent meta.Ino
		Name          text
	}) (any, error) {
		var attr meta.Attr
		status := c.Link(c.ctx, p.Inode, p.Parent, string(p.Name), &attr)
		return told(attrOf(&attr), status)
	})

	on("unlink", func(c *call, p *struct {
		Parent    meta.Ino
		Name      text
		SkipTrash bool `opt:"yes"`
	}) (any, error) {
		return told(nothing, c.Unlink(c.ctx, p.Parent, string(p.Name), p.SkipTrash))
	})
	on("batch_unlink", func(c *call, p *struct {
		Parent    meta.Ino
		Entries   []entry
		SkipTrash bool `opt:"yes"`
	}) (any, error) {
		entries := make([]*meta.Entry, len(p.Entries))
		for i, e := range p.Entries {
			entries[i] = &meta.Entry{Inode: e.Inode, Name: []byte(e.Name)}
			if e.Type != 0 { // else any type will do
				entries[i].Attr = &meta.Attr{Typ: uint8(e.Type)}
			}
		}
		var count uint64
		status, err := c.batchUnlink(p.Parent, entries, &count, p.SkipTrash)
		if err != nil {
			return nil, err
		}
		return told(map[string]uint64{"count": count}, status)
	})
	on("rmdir", func(c *call, p *struct {
		Parent    meta.Ino
		Name      text
		SkipTrash bool `opt:"yes"`
	}) (any, error) {
		return told(nothing, c.Rmdir(c.ctx, p.Parent, string(p.Name), p.SkipTrash))
	})
	on("rename", func(c *call, p *struct {
		SrcParent meta.Ino
		SrcName   text
		DstParent meta.Ino
		DstName   text
		Flags     renameFlags `opt:"yes"`
	}) (any, error) {
		return found(func(inode *meta.Ino, attr *meta.Attr) syscall.Errno {
			return c.Rename(c.ctx, p.SrcParent, string(p.SrcName), p.DstParent, string(p.DstName), uint32(p.Flags), inode, attr)
		})
	})
	on("remove", func(c *call, p *struct {
		Parent    meta.Ino
		Name      text
		SkipTrash bool `opt:"yes"`
		Threads   int  `opt:"yes"`
	}) (any, error) {
		var count uint64
		status := c.Remove(c.ctx, p.Parent, string(p.Name), p.SkipTrash, cmp.Or(p.Threads, meta.RmrDefaultThreads), &count)
		return told(map[string]uint64{"count": count}, status)
	})

	on("parents", func(c *call, p *struct{ Inode meta.Ino }) (any, error) {
		counts := map[string]int{}
		for parent, count := range c.GetParents(c.ctx, p.Inode) {
			counts[parent.String()] = count
		}
		return counts, nil
	})
	on("paths", func(c *call, p *struct{ Inode meta.Ino }) (any, error) {
		return texts(c.GetPaths(c.ctx, p.Inode)), nil
	})
	on("summary", func(c *call, p *struct {
		Inode             meta.Ino
		Recursive, Strict bool `opt:"yes"`
	}) (any, error) {
		var sum meta.Summary
		status := c.GetSummary(c.ctx, p.Inode, &sum, p.Recursive, p.Strict)
		return told(map[string]uint64{"length": sum.Length, "size": sum.Size, "files": sum.Files, "dirs": sum.Dirs}, status)
	})
	on("tree_summary", func(c *call, p *struct {
		Inode      meta.Ino
		Depth, Top uint8 `opt:"yes"`
		Strict     bool  `opt:"yes"`
	}) (any, error) {
		var attr meta.Attr
		if status := c.GetAttr(c.ctx, p.Inode, &attr); status != 0 {
			return nil, status
		}
		root := &meta.TreeSummary{Inode: p.Inode, Type: attr.Typ} // the engine leaves this type to its caller
		status := c.GetTreeSummary(c.ctx, root, p.Depth, p.Top, p.Strict, nil)
		return told(treeOf(root), status)
	})
	on("statfs", func(c *call, p *struct {
		Inode meta.Ino `opt:"yes"`
	}) (any, error) {
		var total, avail, iused, iavail uint64
		status := c.StatFS(c.ctx, p.Inode, &total, &avail, &iused, &iavail)
		return told(map[string]uint64{"total": total, "avail": avail, "iused": iused, "iavail": iavail}, status)
	})
}

// found is the answer of a call that tells a node; where nothing was done it has no attributes (N16.5).
func found(call func(*meta.Ino, *meta.Attr) syscall.Errno) (any, error) {
	var inode meta.Ino
	var attr meta.Attr
	status := call(&inode, &attr)
	if !attr.Full && attr.Typ == 0 {
		return told(node{Inode: inode}, status)
	}
	return told(node{inode, attrOf(&attr)}, status)
}

// made is the answer of a call that makes a node.  Where the name exists, the engine `tells` the node in the
// way for some types; for others the inode is the one it had set aside.
func made(tells bool, call func(*meta.Ino, *meta.Attr) syscall.Errno) (any, error) {
	var exists error
	value, err := found(func(inode *meta.Ino, attr *meta.Attr) syscall.Errno {
		status := call(inode, attr)
		if status == syscall.EEXIST && tells && *inode != 0 {
			exists = nodeExists{node{*inode, attrOf(attr)}}
		}
		return status
	})
	if exists != nil {
		return nil, exists
	}
	return value, err
}
