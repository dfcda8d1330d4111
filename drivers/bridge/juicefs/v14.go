//go:build !juicefs13

package main

// What JuiceFS 1.4 calls otherwise than 1.3, or has and 1.3 has not.

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"

	"github.com/juicedata/juicefs/pkg/meta"
)

// capabilities are those of which every method works; each is held to every clause behind it.
var capabilities = []string{
	"acl", "backup.binary", "cache.tracking", "changelog", "clone", "data", "dirstat", "dump.json", "flock", "lua",
	"maintenance", "namespace", "open", "plock", "quota.dir", "quota.user", "session", "tokens", "trash", "unix",
	"volume", "xattr",
}

const (
	dirQuota    = meta.DirQuotaType
	userQuota   = meta.UserQuotaType
	groupQuota  = meta.GroupQuotaType
	allQuotas   = meta.AllQuotaType
	setAttrTier = meta.SetAttrTier
)

// silence is how long the change log has to have nothing to say until its scan ends: the engine's call follows
// the log for ever.
const silence = 500 * time.Millisecond

func init() {
	on("changelog_scan", func(c *call, p *struct {
		After int64 `opt:"yes"`
		Max   int   `opt:"yes"`
	}) (any, error) {
		return changelog(c, p.After, p.Max)
	})

	on("token_store", func(c *call, p *struct{ Token text }) (any, error) {
		id, status := c.StoreToken(c.ctx, []byte(p.Token))
		return told(map[string]uint32{"id": id}, status)
	})
	on("token_update", func(c *call, p *struct {
		Id    uint32
		Token text
	}) (any, error) {
		return told(nothing, c.UpdateToken(c.ctx, p.Id, []byte(p.Token)))
	})
	on("token_load", func(c *call, p *struct{ Id uint32 }) (any, error) {
		token, status := c.LoadToken(c.ctx, p.Id)
		return told(text(token), status)
	})
	on("token_delete", func(c *call, p *struct{ Ids []uint32 }) (any, error) {
		return told(nothing, c.DeleteTokens(c.ctx, p.Ids))
	})
	on("token_list", func(c *call, p *struct{}) (any, error) {
		tokens, status := c.ListTokens(c.ctx)
		shown := map[string]text{}
		for id, token := range tokens {
			shown[fmt.Sprint(id)] = text(token)
		}
		return told(shown, status)
	})
}

func changelog(c *call, after int64, most int) (any, error) {
	if after == 0 {
		after = -1 // the engine takes 0 for "from now on"
	}
	lines := [][2]any{}
	errEnough := errors.New("enough")
	ctx := meta.WrapWithCancel(c.ctx, c.ctx.Pid(), c.ctx.Uid(), c.ctx.Gids())
	timer := time.AfterFunc(silence, ctx.Cancel)
	defer timer.Stop()
	err := c.ScanChangelog(ctx, after, func(version int64, line string) error {
		timer.Reset(silence)
		lines = append(lines, [2]any{version, line})
		if len(lines) == most {
			return errEnough
		}
		return nil
	})
	if c.ctx.Canceled() {
		return nil, syscall.EINTR
	}
	if errors.Is(err, errEnough) || errors.Is(err, context.Canceled) {
		return lines, nil
	}
	return nil, err
}

func (c *call) resolve(parent meta.Ino, path string, inode *meta.Ino, attr *meta.Attr, force bool) syscall.Errno {
	return c.Resolve(c.ctx, parent, path, inode, attr, force)
}

func (c *call) batchUnlink(parent meta.Ino, entries []*meta.Entry, count *uint64, skipTrash bool) (syscall.Errno, error) {
	return c.BatchUnlink(c.ctx, parent, entries, count, skipTrash), nil
}

func (c *call) clone(srcParent, src, dstParent meta.Ino, name string, mode uint8, umask uint16, threads uint8, count, total *uint64) syscall.Errno {
	return c.Clone(c.ctx, srcParent, src, dstParent, name, mode, umask, cmp.Or(threads, meta.CLONE_DEFAULT_CONCURRENCY), count, total)
}

func (c *call) cleanTrash(before time.Time) syscall.Errno {
	return c.CleanupTrashBefore(c.ctx, before, nil, nil)
}

func (c *call) check(path string, repair, recursive, syncDirStat bool) error {
	return c.Check(c.ctx, path, &meta.CheckOpt{
		Repair: repair, Recursive: recursive, SyncDirStat: syncDirStat, RepairDirMode: 0o755,
		Slices: map[meta.Ino][]meta.Slice{},
	})
}

func (c *call) handleQuota(command uint8, kind quotaType, key string, q quotas, strict, repair, create bool) error {
	return c.HandleQuota(c.ctx, command, key, uint32(kind), q, strict, repair, create)
}

func (c *call) scanUsage() (any, error) { return done(c.ScanUserGroupUsage(c.ctx)) }

func trashFiles(add func(map[string]any) (bool, error)) func(meta.Ino, uint64, time.Time, int64) (bool, error) {
	return func(inode meta.Ino, size uint64, at time.Time, count int64) (bool, error) {
		return add(map[string]any{"inode": inode, "size": size, "time": at.Unix(), "count": count})
	}
}

func tierOf(a *meta.Attr) uint8        { return a.Tier }
func setTier(a *meta.Attr, tier uint8) { a.Tier = tier }
