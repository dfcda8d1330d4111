//go:build juicefs13

package main

// JuiceFS 1.3 in the words of 1.4: what it has not is unsupported.

import (
	"fmt"
	"syscall"
	"time"

	"github.com/juicedata/juicefs/pkg/meta"
)

// capabilities are those of 1.4 but for what came with it: the change log, tokens, quotas of users and groups.
var capabilities = []string{
	"acl", "backup.binary", "clone", "data", "dirstat", "dump.json", "flock", "lua", "maintenance", "namespace",
	"open", "plock", "quota.dir", "session", "trash", "unix", "volume", "xattr",
}

const (
	dirQuota = iota
	userQuota
	groupQuota
	allQuotas
	setAttrTier = 0 // asks for nothing
)

func init() {
	for _, name := range []string{
		"changelog_scan", "token_store", "token_update", "token_load", "token_delete", "token_list",
	} {
		on(name, func(c *call, p *struct{}) (any, error) { return nil, missing(name) })
	}
}

func missing(name string) error { return unsupported(fmt.Sprintf("JuiceFS 1.3 has no %s", name)) }

func (c *call) resolve(parent meta.Ino, path string, inode *meta.Ino, attr *meta.Attr, force bool) syscall.Errno {
	if force {
		return syscall.ENOTSUP
	}
	return c.Resolve(c.ctx, parent, path, inode, attr)
}

func (c *call) batchUnlink(parent meta.Ino, entries []*meta.Entry, count *uint64, skipTrash bool) (syscall.Errno, error) {
	return 0, missing("batch_unlink")
}

func (c *call) clone(srcParent, src, dstParent meta.Ino, name string, mode uint8, umask uint16, threads uint8, count, total *uint64) syscall.Errno {
	return c.Clone(c.ctx, srcParent, src, dstParent, name, mode, umask, count, total)
}

func (c *call) cleanTrash(before time.Time) syscall.Errno {
	c.CleanupTrashBefore(c.ctx, before, nil)
	return 0
}

func (c *call) check(path string, repair, recursive, syncDirStat bool) error {
	return c.Check(c.ctx, path, repair, recursive, syncDirStat)
}

func (c *call) handleQuota(command uint8, kind quotaType, key string, q quotas, strict, repair, create bool) error {
	if kind == userQuota || kind == groupQuota {
		return missing("quotas of users and groups")
	}
	return c.HandleQuota(c.ctx, command, key, q, strict, repair, create)
}

func (c *call) scanUsage() (any, error) { return nil, missing("quota_scan") }

func trashFiles(add func(map[string]any) (bool, error)) func(meta.Ino, uint64, time.Time) (bool, error) {
	return func(inode meta.Ino, size uint64, at time.Time) (bool, error) {
		return add(map[string]any{"inode": inode, "size": size, "time": at.Unix()})
	}
}

func tierOf(*meta.Attr) uint8   { return 0 }
func setTier(*meta.Attr, uint8) {}
