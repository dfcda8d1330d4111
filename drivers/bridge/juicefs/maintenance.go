package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/juicedata/juicefs/pkg/meta"
	"github.com/sirupsen/logrus"
)

// silence is how long the change log has to have nothing to say until its scan ends: the engine's call follows
// the log for ever.
const silence = 500 * time.Millisecond

func init() {
	on("clone", func(c *call, p *struct {
		SrcParent, Src, DstParent meta.Ino
		DstName                   text
		Preserve                  bool   `opt:"yes"`
		Umask                     uint16 `opt:"yes"`
		Threads                   uint8  `opt:"yes"`
	}) (any, error) {
		var mode uint8
		if p.Preserve {
			mode = meta.CLONE_MODE_PRESERVE_ATTR
		}
		var count, total uint64
		status := c.Clone(c.ctx, p.SrcParent, p.Src, p.DstParent, string(p.DstName), mode, p.Umask, cmp.Or(p.Threads, meta.CLONE_DEFAULT_CONCURRENCY), &count, &total)
		return told(map[string]uint64{"count": count, "total": total}, status)
	})
	on("trash_cleanup", func(c *call, p *struct{ Before int64 }) (any, error) {
		return told(nothing, c.CleanupTrashBefore(c.ctx, time.Unix(p.Before, 0), nil, nil))
	})
	on("detached_cleanup", func(c *call, p *struct{ Before int64 }) (any, error) {
		c.CleanupDetachedNodesBefore(c.ctx, time.Unix(p.Before, 0), nil)
		return nothing, nil
	})
	on("slices_cleanup", func(c *call, p *struct{}) (any, error) {
		return told(nothing, c.ListSlices(c.ctx, map[meta.Ino][]meta.Slice{}, false, true, nil)) // N34.1
	})
	on("slices_list", func(c *call, p *struct {
		Pending, Delete bool `opt:"yes"`
	}) (any, error) {
		list := map[meta.Ino][]meta.Slice{}
		if status := c.ListSlices(c.ctx, list, p.Pending, p.Delete, nil); status != 0 {
			return nil, status
		}
		shown := map[string][]slice{}
		for inode, one := range list {
			shown[inode.String()] = slicesOf(one)
		}
		return shown, nil
	})
	on("scan_deleted", func(c *call, p *struct{ Kinds []string }) (any, error) { return scanDeleted(c, p.Kinds) })
	on("check", func(c *call, p *struct {
		Path                           text
		Repair, Recursive, SyncDirStat bool `opt:"yes"`
	}) (any, error) {
		return check(c, string(p.Path), &meta.CheckOpt{
			Repair: p.Repair, Recursive: p.Recursive, SyncDirStat: p.SyncDirStat, RepairDirMode: 0o755,
			Slices: map[meta.Ino][]meta.Slice{},
		})
	})
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

// scanDeleted lists what waits for deletion; the scans of the kinds run at the same time.
func scanDeleted(c *call, kinds []string) (any, error) {
	known := []string{"trash_slices", "pending_slices", "trash_files", "pending_files"}
	shown := map[string][]any{}
	for _, kind := range kinds {
		if !slices.Contains(known, kind) {
			return nil, bad("kinds: expected some of %s, not %q", strings.Join(known, ", "), kind)
		}
		shown[kind] = []any{}
	}
	var mutex sync.Mutex
	add := func(kind string, item any) (bool, error) {
		mutex.Lock()
		defer mutex.Unlock()
		if shown[kind] != nil {
			shown[kind] = append(shown[kind], item)
		}
		return false, nil // it stays
	}
	err := c.ScanDeletedObject(c.ctx,
		func(list []meta.Slice, at int64) (bool, error) {
			return add("trash_slices", map[string]any{"slices": slicesOf(list), "time": at})
		},
		func(id uint64, size uint32) (bool, error) {
			return add("pending_slices", map[string]any{"id": id, "size": size})
		},
		func(inode meta.Ino, size uint64, at time.Time, count int64) (bool, error) {
			return add("trash_files", map[string]any{"inode": inode, "size": size, "time": at.Unix(), "count": count})
		},
		func(inode meta.Ino, size uint64, at int64) (bool, error) {
			return add("pending_files", map[string]any{"inode": inode, "size": size, "time": at})
		})
	if err != nil {
		return nil, err
	}
	return shown, nil
}

// checkLog collects what a check logs: the engine tells its findings in no other way.
var checkLog = findings{}

type findings struct {
	running sync.Mutex // one check at a time, so that it is known whose findings these are
	mutex   sync.Mutex
	found   []string
}

func (f *findings) Levels() []logrus.Level {
	return []logrus.Level{logrus.WarnLevel, logrus.ErrorLevel}
}

func (f *findings) Fire(entry *logrus.Entry) error {
	if entry.Caller != nil && strings.Contains(entry.Caller.Function, "(*baseMeta).Check") {
		f.mutex.Lock()
		defer f.mutex.Unlock()
		f.found = append(f.found, entry.Message)
	}
	return nil
}

// check answers what was mended; where the engine mends nothing, any finding makes it refuse (N36.2).
func check(c *call, path string, options *meta.CheckOpt) (any, error) {
	checkLog.running.Lock()
	defer checkLog.running.Unlock()
	checkLog.found = []string{}
	err := c.Check(c.ctx, path, options)
	if err == nil {
		return map[string][]string{"problems": checkLog.found}, nil
	}
	if errnoOf(err) != 0 {
		return nil, err
	}
	return nil, fmt.Errorf("%w: %s", err, strings.Join(checkLog.found, "; "))
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
