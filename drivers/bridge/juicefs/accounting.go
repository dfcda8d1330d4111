package main

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"

	"github.com/juicedata/juicefs/pkg/meta"
)

// quotaKey is the path of a directory, or the id of a user or a group.
type quotaKey string

func (k *quotaKey) UnmarshalJSON(raw []byte) error {
	var id uint64
	if json.Unmarshal(raw, &id) == nil {
		*k = quotaKey(fmt.Sprint(id))
		return nil
	}
	return (*text)(k).UnmarshalJSON(raw)
}

type quotas map[string]*meta.Quota

func (q quotas) shown() map[string]quota {
	list := make(map[string]quota, len(q))
	for key, one := range q {
		list[key] = quota{one.MaxSpace, one.MaxInodes, one.UsedSpace, one.UsedInodes}
	}
	return list
}

// handle makes a call of HandleQuota, which fills the map.
func (q quotas) handle(c *call, command uint8, kind quotaType, key quotaKey, strict, repair, create bool) (any, error) {
	err := c.handleQuota(command, kind, string(key), q, strict, repair, create)
	if err != nil {
		return nil, err
	}
	return q.shown(), nil
}

func init() {
	on("dirstat_get", func(c *call, p *struct{ Inode meta.Ino }) (any, error) {
		stat, status := c.GetDirStat(c.ctx, p.Inode)
		if status != 0 {
			return nil, status
		}
		fields := reflect.ValueOf(stat).Elem() // the type is not exported
		return map[string]int64{
			"length": fields.FieldByName("length").Int(), "space": fields.FieldByName("space").Int(),
			"inodes": fields.FieldByName("inodes").Int(),
		}, nil
	})

	on("quota_set", func(c *call, p *struct {
		Type   quotaType
		Key    quotaKey
		Quota  quota
		Strict bool `opt:"yes"`
		Create bool `opt:"yes"`
	}) (any, error) {
		wanted := quotas{string(p.Key): {MaxSpace: p.Quota.MaxSpace, MaxInodes: p.Quota.MaxInodes}}
		if _, err := wanted.handle(c, meta.QuotaSet, p.Type, p.Key, p.Strict, false, p.Create); err != nil {
			return nil, err
		}
		return quotas{}.handle(c, meta.QuotaGet, p.Type, p.Key, false, false, false)
	})
	on("quota_get", func(c *call, p *struct {
		Type quotaType
		Key  quotaKey
	}) (any, error) {
		return quotas{}.handle(c, meta.QuotaGet, p.Type, p.Key, false, false, false)
	})
	on("quota_delete", func(c *call, p *struct {
		Type quotaType
		Key  quotaKey
	}) (any, error) {
		return quotas{}.handle(c, meta.QuotaDel, p.Type, p.Key, false, false, false)
	})
	on("quota_list", func(c *call, p *struct {
		Type *quotaType `opt:"yes"`
	}) (any, error) {
		// Asked for one kind, the engine lists one key only.
		all := quotas{}
		if _, err := all.handle(c, meta.QuotaList, allQuotas, "0", false, false, false); err != nil {
			return nil, err
		}
		for key := range all {
			if p.Type != nil && kindOf(key) != *p.Type {
				delete(all, key)
			}
		}
		return all.shown(), nil
	})
	on("quota_check", func(c *call, p *struct {
		Type           quotaType
		Key            quotaKey
		Strict, Repair bool `opt:"yes"`
	}) (any, error) {
		return quotas{}.handle(c, meta.QuotaCheck, p.Type, p.Key, p.Strict, p.Repair, false)
	})
	on("quota_scan", func(c *call, p *struct{}) (any, error) { return c.scanUsage() })
}

// kindOf tells a listed quota by its key.
func kindOf(key string) quotaType {
	switch {
	case strings.HasPrefix(key, "uid:"):
		return userQuota
	case strings.HasPrefix(key, "gid:"):
		return groupQuota
	}
	return dirQuota
}
