package main

import (
	"time"

	"github.com/juicedata/juicefs/pkg/acl"
	"github.com/juicedata/juicefs/pkg/meta"
)

// stamp is a time as seconds and nanoseconds since the epoch.
type stamp [2]int64

type attr struct {
	Flags      uint8    `json:"flags" opt:"yes"`
	Type       fileType `json:"type" opt:"yes"`
	Mode       uint16   `json:"mode" opt:"yes"`
	Uid        uint32   `json:"uid" opt:"yes"`
	Gid        uint32   `json:"gid" opt:"yes"`
	Rdev       uint32   `json:"rdev" opt:"yes"`
	Atime      stamp    `json:"atime" opt:"yes"`
	Mtime      stamp    `json:"mtime" opt:"yes"`
	Ctime      stamp    `json:"ctime" opt:"yes"`
	Nlink      uint32   `json:"nlink" opt:"yes"`
	Length     uint64   `json:"length" opt:"yes"`
	Parent     meta.Ino `json:"parent" opt:"yes"`
	AccessAcl  uint32   `json:"access_acl" opt:"yes"`
	DefaultAcl uint32   `json:"default_acl" opt:"yes"`
	Tier       uint8    `json:"tier" opt:"yes"`
	Full       *bool    `json:"full,omitempty" opt:"yes"` // shown where it is false
}

func attrOf(a *meta.Attr) *attr {
	shown := &attr{
		Flags: a.Flags, Type: fileType(a.Typ), Mode: a.Mode, Uid: a.Uid, Gid: a.Gid, Rdev: a.Rdev,
		Atime: stamp{a.Atime, int64(a.Atimensec)}, Mtime: stamp{a.Mtime, int64(a.Mtimensec)},
		Ctime: stamp{a.Ctime, int64(a.Ctimensec)}, Nlink: a.Nlink, Length: a.Length, Parent: a.Parent,
		AccessAcl: a.AccessACL, DefaultAcl: a.DefaultACL, Tier: tierOf(a),
	}
	if !a.Full {
		shown.Full = &a.Full
	}
	return shown
}

func (a *attr) engine() *meta.Attr {
	stored := &meta.Attr{
		Flags: a.Flags, Typ: uint8(a.Type), Mode: a.Mode, Uid: a.Uid, Gid: a.Gid, Rdev: a.Rdev,
		Atime: a.Atime[0], Mtime: a.Mtime[0], Ctime: a.Ctime[0], Atimensec: uint32(a.Atime[1]),
		Mtimensec: uint32(a.Mtime[1]), Ctimensec: uint32(a.Ctime[1]), Nlink: a.Nlink, Length: a.Length,
		Parent: a.Parent, Full: a.Full == nil || *a.Full, AccessACL: a.AccessAcl, DefaultACL: a.DefaultAcl,
	}
	setTier(stored, a.Tier)
	return stored
}

type node struct {
	Inode meta.Ino `json:"inode"`
	Attr  *attr    `json:"attr,omitempty"`
}

type entry struct {
	Name  text     `json:"name"`
	Inode meta.Ino `json:"inode"`
	Type  fileType `json:"type"`
	Attr  *attr    `json:"attr,omitempty" opt:"yes"`
}

func entriesOf(list []*meta.Entry, plus bool) []entry {
	shown := make([]entry, len(list))
	for i, e := range list {
		shown[i] = entry{Name: text(e.Name), Inode: e.Inode, Type: fileType(e.Attr.Typ)}
		if plus {
			shown[i].Attr = attrOf(e.Attr)
		}
	}
	return shown
}

// slice has its place in the chunk where the answer says it.
type slice struct {
	Pos  uint32 `json:"pos" opt:"yes"`
	ID   uint64 `json:"id"`
	Size uint32 `json:"size"`
	Off  uint32 `json:"off" opt:"yes"`
	Len  uint32 `json:"len"`
}

// piece is a slice whose place follows from those before it.
type piece struct {
	ID   uint64 `json:"id"`
	Size uint32 `json:"size"`
	Off  uint32 `json:"off"`
	Len  uint32 `json:"len"`
}

func slicesOf(list []meta.Slice) []slice {
	shown := make([]slice, len(list))
	for i, s := range list {
		shown[i] = slice{ID: s.Id, Size: s.Size, Off: s.Off, Len: s.Len}
	}
	return shown
}

// piecesOf leaves the places out.
func piecesOf(list []meta.Slice) []piece {
	shown := make([]piece, len(list))
	for i, s := range list {
		shown[i] = piece{s.Id, s.Size, s.Off, s.Len}
	}
	return shown
}

type tree struct {
	Inode    meta.Ino `json:"inode"`
	Path     string   `json:"path"`
	Type     fileType `json:"type"`
	Size     uint64   `json:"size"`
	Files    uint64   `json:"files"`
	Dirs     uint64   `json:"dirs"`
	Children []*tree  `json:"children"`
}

func treeOf(t *meta.TreeSummary) *tree {
	shown := &tree{t.Inode, t.Path, fileType(t.Type), t.Size, t.Files, t.Dirs, []*tree{}}
	for _, child := range t.Children {
		shown.Children = append(shown.Children, treeOf(child))
	}
	return shown
}

type lockRecord struct {
	Type  lockType `json:"type"`
	Pid   uint32   `json:"pid"`
	Start uint64   `json:"start"`
	End   uint64   `json:"end"`
}

type sessionInfo struct {
	Version    string   `json:"version"`
	Host       string   `json:"host"`
	IPAddrs    []string `json:"ip_addrs"`
	MountPoint string   `json:"mount_point"`
	MountTime  string   `json:"mount_time"`
	Pid        int      `json:"pid"`
}

type sessionFlock struct {
	Inode meta.Ino `json:"inode"`
	Owner uint64   `json:"owner"`
	Type  string   `json:"type"`
}

type sessionPlock struct {
	Inode   meta.Ino     `json:"inode"`
	Owner   uint64       `json:"owner"`
	Records []lockRecord `json:"records"`
}

type session struct {
	Sid       uint64         `json:"sid"`
	Expire    int64          `json:"expire"`
	Info      sessionInfo    `json:"info"`
	Sustained []meta.Ino     `json:"sustained"`
	Flocks    []sessionFlock `json:"flocks"`
	Plocks    []sessionPlock `json:"plocks"`
}

func sessionOf(s *meta.Session) session {
	shown := session{
		Sid: s.Sid, Expire: s.Expire.Unix(),
		Info:      sessionInfo{s.Version, s.HostName, append([]string{}, s.IPAddrs...), s.MountPoint, "", s.ProcessID},
		Sustained: append([]meta.Ino{}, s.Sustained...), Flocks: []sessionFlock{}, Plocks: []sessionPlock{},
	}
	if !s.MountTime.IsZero() {
		shown.Info.MountTime = s.MountTime.Format(time.RFC3339Nano)
	}
	for _, lock := range s.Flocks {
		shown.Flocks = append(shown.Flocks, sessionFlock{lock.Inode, lock.Owner, lock.Ltype})
	}
	for _, lock := range s.Plocks {
		records := []lockRecord{}
		for _, r := range lock.Records {
			records = append(records, lockRecord{lockType(r.Type), r.Pid, r.Start, r.End})
		}
		shown.Plocks = append(shown.Plocks, sessionPlock{lock.Inode, lock.Owner, records})
	}
	return shown
}

// ruleEntry is an id with its permissions.
type ruleEntry [2]uint32

type rule struct {
	Owner  uint16      `json:"owner" opt:"yes"`
	Group  uint16      `json:"group" opt:"yes"`
	Mask   uint16      `json:"mask" opt:"yes"`
	Other  uint16      `json:"other" opt:"yes"`
	Users  []ruleEntry `json:"users" opt:"yes"`
	Groups []ruleEntry `json:"groups" opt:"yes"`
}

func (r *rule) defaults() {
	none := acl.EmptyRule()
	r.Owner, r.Group, r.Mask, r.Other = none.Owner, none.Group, none.Mask, none.Other
}

func ruleOf(r *acl.Rule) rule {
	shown := func(entries acl.Entries) []ruleEntry {
		list := make([]ruleEntry, len(entries))
		for i, e := range entries {
			list[i] = ruleEntry{e.Id, uint32(e.Perm)}
		}
		return list
	}
	return rule{r.Owner, r.Group, r.Mask, r.Other, shown(r.NamedUsers), shown(r.NamedGroups)}
}

func (r rule) engine() *acl.Rule {
	named := func(list []ruleEntry) acl.Entries {
		var entries acl.Entries
		for _, e := range list {
			entries = append(entries, acl.Entry{Id: e[0], Perm: uint16(e[1])})
		}
		return entries
	}
	return &acl.Rule{
		Owner: r.Owner, Group: r.Group, Mask: r.Mask, Other: r.Other, NamedUsers: named(r.Users),
		NamedGroups: named(r.Groups),
	}
}

// quota is a limit with its usage; an absent limit is none.
type quota struct {
	MaxSpace   int64 `json:"max_space" opt:"yes"`
	MaxInodes  int64 `json:"max_inodes" opt:"yes"`
	UsedSpace  int64 `json:"used_space" opt:"yes"`
	UsedInodes int64 `json:"used_inodes" opt:"yes"`
}

func (q *quota) defaults() { q.MaxSpace, q.MaxInodes = -1, -1 }
