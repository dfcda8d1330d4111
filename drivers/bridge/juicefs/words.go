package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"syscall"
	"unicode/utf8"

	"github.com/juicedata/juicefs/pkg/acl"
	"github.com/juicedata/juicefs/pkg/meta"
)

// text is a byte string: a JSON string where it is UTF-8, else {"base64": ..}.
type text string

func (t text) MarshalJSON() ([]byte, error) {
	if utf8.ValidString(string(t)) {
		return plainJSON(string(t))
	}
	return json.Marshal(map[string][]byte{"base64": []byte(t)})
}

func plainJSON(value any) ([]byte, error) {
	var out strings.Builder
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(value)
	return []byte(strings.TrimSuffix(out.String(), "\n")), err
}

func (t *text) UnmarshalJSON(raw []byte) error {
	var plain string
	if json.Unmarshal(raw, &plain) == nil {
		*t = text(plain)
		return nil
	}
	var coded map[string]string
	if json.Unmarshal(raw, &coded) == nil && len(coded) == 1 {
		if value, found := coded["base64"]; found {
			decoded, err := base64.StdEncoding.Strict().DecodeString(value)
			*t = text(decoded)
			return err
		}
	}
	return fmt.Errorf(`expected a UTF-8 text or {"base64": ..}, not %s`, raw)
}

// texts are byte strings as the engine lists them.
func texts[S ~string | ~[]byte](list []S) []text {
	found := make([]text, len(list))
	for i, one := range list {
		found[i] = text(one)
	}
	return found
}

type vocabulary map[string]uint64

// bits reads a bit set: a list of names or an integer.
func (v vocabulary) bits(raw []byte, into any) error {
	var given []string
	if json.Unmarshal(raw, &given) != nil {
		return json.Unmarshal(raw, into)
	}
	var set uint64
	for _, name := range given {
		bit, known := v[name]
		if !known {
			return fmt.Errorf("expected an integer or a list of %s, not %s", v, raw)
		}
		set |= bit
	}
	return json.Unmarshal(fmt.Append(nil, set), into)
}

// one reads an enumeration: a name or an integer.
func (v vocabulary) one(raw []byte, into any) error {
	var name string
	if json.Unmarshal(raw, &name) != nil {
		return json.Unmarshal(raw, into)
	}
	value, known := v[name]
	if !known {
		return fmt.Errorf("expected an integer or one of %s, not %s", v, raw)
	}
	return json.Unmarshal(fmt.Append(nil, value), into)
}

// name is the JSON of a value: its name, or itself where it has none.
func (v vocabulary) name(value uint64) ([]byte, error) {
	for name, one := range v {
		if one == value {
			return json.Marshal(name)
		}
	}
	return json.Marshal(value)
}

func (v vocabulary) String() string { return strings.Join(slices.Sorted(maps.Keys(v)), ", ") }

var (
	fileTypes = vocabulary{
		"file": meta.TypeFile, "directory": meta.TypeDirectory, "symlink": meta.TypeSymlink, "fifo": meta.TypeFIFO,
		"blockdev": meta.TypeBlockDev, "chardev": meta.TypeCharDev, "socket": meta.TypeSocket,
	}
	lockTypes    = vocabulary{"R": syscall.F_RDLCK, "W": syscall.F_WRLCK, "U": syscall.F_UNLCK}
	aclTypes     = vocabulary{"access": acl.TypeAccess, "default": acl.TypeDefault}
	quotaTypes   = vocabulary{"dir": dirQuota, "user": userQuota, "group": groupQuota}
	setAttrNames = vocabulary{
		"mode": meta.SetAttrMode, "uid": meta.SetAttrUID, "gid": meta.SetAttrGID, "size": meta.SetAttrSize,
		"atime": meta.SetAttrAtime, "mtime": meta.SetAttrMtime, "ctime": meta.SetAttrCtime,
		"atime_now": meta.SetAttrAtimeNow, "mtime_now": meta.SetAttrMtimeNow, "ctime_now": meta.SetAttrCtimeNow,
		"tier": setAttrTier, "flags": meta.SetAttrFlag,
	}
	renameNames = vocabulary{
		"noreplace": meta.RenameNoReplace, "exchange": meta.RenameExchange, "whiteout": meta.RenameWhiteout,
		"restore": meta.RenameRestore,
	}
	fallocateNames = vocabulary{"keep_size": 1, "punch_hole": 2, "collapse": 8, "zero": 16, "insert": 32}
	openNames      = vocabulary{
		"rdonly": syscall.O_RDONLY, "wronly": syscall.O_WRONLY, "rdwr": syscall.O_RDWR, "exec": 0x20,
		"creat": syscall.O_CREAT, "excl": syscall.O_EXCL, "trunc": syscall.O_TRUNC, "append": syscall.O_APPEND,
	}
)

type (
	fileType       uint8
	lockType       uint32
	aclType        uint8
	quotaType      uint32
	setAttrFlags   uint16
	renameFlags    uint32
	fallocateFlags uint8
	openFlags      uint32
)

func (f fileType) MarshalJSON() ([]byte, error) { return fileTypes.name(uint64(f)) }
func (l lockType) MarshalJSON() ([]byte, error) { return lockTypes.name(uint64(l)) }

func (f *fileType) UnmarshalJSON(raw []byte) error     { return fileTypes.one(raw, (*uint8)(f)) }
func (l *lockType) UnmarshalJSON(raw []byte) error     { return lockTypes.one(raw, (*uint32)(l)) }
func (a *aclType) UnmarshalJSON(raw []byte) error      { return aclTypes.one(raw, (*uint8)(a)) }
func (q *quotaType) UnmarshalJSON(raw []byte) error    { return quotaTypes.one(raw, (*uint32)(q)) }
func (s *setAttrFlags) UnmarshalJSON(raw []byte) error { return setAttrNames.bits(raw, (*uint16)(s)) }
func (r *renameFlags) UnmarshalJSON(raw []byte) error  { return renameNames.bits(raw, (*uint32)(r)) }
func (f *fallocateFlags) UnmarshalJSON(raw []byte) error {
	return fallocateNames.bits(raw, (*uint8)(f))
}
func (o *openFlags) UnmarshalJSON(raw []byte) error { return openNames.bits(raw, (*uint32)(o)) }
