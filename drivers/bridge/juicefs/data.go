package main

import (
	"time"

	"github.com/juicedata/juicefs/pkg/meta"
	"github.com/juicedata/juicefs/pkg/utils"
)

func init() {
	on("open_file", func(c *call, p *struct {
		Inode meta.Ino
		Flags openFlags `opt:"yes"`
	}) (any, error) {
		var attr meta.Attr
		status := c.Open(c.ctx, p.Inode, uint32(p.Flags), &attr)
		return told(attrOf(&attr), status)
	})
	on("close_file", func(c *call, p *struct{ Inode meta.Ino }) (any, error) {
		return told(nothing, c.Close(c.ctx, p.Inode))
	})
	on("new_slice", func(c *call, p *struct{}) (any, error) {
		var id uint64
		status := c.NewSlice(c.ctx, &id)
		return told(map[string]uint64{"id": id}, status)
	})
	on("write", func(c *call, p *struct {
		Inode      meta.Ino
		Chunk, Off uint32
		Slice      slice
		Mtime      stamp `opt:"yes"`
	}) (any, error) {
		written := meta.Slice{Id: p.Slice.ID, Size: p.Slice.Size, Off: p.Slice.Off, Len: p.Slice.Len}
		return told(nothing, c.Write(c.ctx, p.Inode, p.Chunk, p.Off, written, time.Unix(p.Mtime[0], p.Mtime[1])))
	})
	on("read", func(c *call, p *struct {
		Inode meta.Ino
		Chunk uint32
	}) (any, error) {
		var list []meta.Slice
		status := c.Read(c.ctx, p.Inode, p.Chunk, &list)
		return told(piecesOf(list), status)
	})
	on("invalidate_chunk", func(c *call, p *struct {
		Inode meta.Ino
		Chunk uint32
	}) (any, error) {
		return told(nothing, c.InvalidateChunkCache(c.ctx, p.Inode, p.Chunk))
	})
	on("truncate", func(c *call, p *struct {
		Inode          meta.Ino
		Flags          uint8  `opt:"yes"`
		Length         uint64 `opt:"yes"`
		SkipPermission bool   `opt:"yes"`
	}) (any, error) {
		var attr meta.Attr
		status := c.Truncate(c.ctx, p.Inode, p.Flags, p.Length, &attr, p.SkipPermission)
		return told(attrOf(&attr), status)
	})
	on("fallocate", func(c *call, p *struct {
		Inode     meta.Ino
		Mode      fallocateFlags `opt:"yes"`
		Off, Size uint64         `opt:"yes"`
	}) (any, error) {
		var length uint64
		status := c.Fallocate(c.ctx, p.Inode, uint8(p.Mode), p.Off, p.Size, &length)
		return told(map[string]uint64{"length": length}, status)
	})
	on("copy_file_range", func(c *call, p *struct {
		Src    meta.Ino
		SrcOff uint64
		Dst    meta.Ino
		DstOff uint64
		Size   uint64
		Flags  uint32 `opt:"yes"`
	}) (any, error) {
		var copied, length uint64
		status := c.CopyFileRange(c.ctx, p.Src, p.SrcOff, p.Dst, p.DstOff, p.Size, p.Flags, &copied, &length)
		return told(map[string]uint64{"copied": copied, "length": length}, status)
	})
	on("compact", func(c *call, p *struct {
		Inode   meta.Ino
		Threads int `opt:"yes"`
	}) (any, error) {
		return told(nothing, c.Compact(c.ctx, p.Inode, max(p.Threads, 1), func() {}, func() {}))
	})
	on("compact_all", func(c *call, p *struct {
		Threads int `opt:"yes"`
	}) (any, error) {
		progress := utils.NewProgress(true)
		defer progress.Done()
		return told(nothing, c.CompactAll(c.ctx, max(p.Threads, 1), progress.AddCountBar("Compacted", 0)))
	})
}
