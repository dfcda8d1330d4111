package main

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/juicedata/juicefs/pkg/meta"
	"github.com/sirupsen/logrus"
)

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
		status := c.clone(p.SrcParent, p.Src, p.DstParent, string(p.DstName), mode, p.Umask, p.Threads, &count, &total)
		return told(map[string]uint64{"count": count, "total": total}, status)
	})
	on("trash_cleanup", func(c *call, p *struct{ Before int64 }) (any, error) {
		return told(nothing, c.cleanTrash(time.Unix(p.Before, 0)))
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
	on("scan_deleted", func(c *call, p *struct {
		Kinds  []string
		Before int64 `opt:"yes"`
	}) (any, error) {
		return scanDeleted(c, p.Kinds, p.Before)
	})
	on("check", func(c *call, p *struct {
		Path                           text
		Repair, Recursive, SyncDirStat bool `opt:"yes"`
	}) (any, error) {
		return check(c, func() error { return c.check(string(p.Path), p.Repair, p.Recursive, p.SyncDirStat) })
	})
}

// scanDeleted lists what waits for deletion, and lets go of what waits since a time before `before`; the scans
// of the kinds run at the same time.
func scanDeleted(c *call, kinds []string, before int64) (any, error) {
	known := []string{"trash_slices", "pending_slices", "trash_files", "pending_files"}
	shown := map[string][]any{}
	for _, kind := range kinds {
		if !slices.Contains(known, kind) {
			return nil, bad("kinds: expected some of %s, not %q", strings.Join(known, ", "), kind)
		}
		shown[kind] = []any{}
	}
	var mutex sync.Mutex
	add := func(kind string, item any) bool {
		mutex.Lock()
		defer mutex.Unlock()
		if shown[kind] == nil {
			return false
		}
		shown[kind] = append(shown[kind], item)
		return true
	}
	err := c.ScanDeletedObject(c.ctx,
		func(list []meta.Slice, at int64) (bool, error) {
			return add("trash_slices", map[string]any{"slices": slicesOf(list), "time": at}) && at < before, nil
		},
		func(id uint64, size uint32) (bool, error) {
			add("pending_slices", map[string]any{"id": id, "size": size})
			return false, nil
		},
		trashFiles(func(file map[string]any) (bool, error) {
			add("trash_files", file)
			return false, nil
		}),
		func(inode meta.Ino, size uint64, at int64) (bool, error) {
			return add("pending_files", map[string]any{"inode": inode, "size": size, "time": at}) && at < before, nil
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
func check(c *call, run func() error) (any, error) {
	checkLog.running.Lock()
	defer checkLog.running.Unlock()
	checkLog.found = []string{}
	err := run()
	if err == nil {
		return map[string][]string{"problems": checkLog.found}, nil
	}
	if errnoOf(err) != 0 {
		return nil, err
	}
	return nil, fmt.Errorf("%w: %s", err, strings.Join(checkLog.found, "; "))
}
