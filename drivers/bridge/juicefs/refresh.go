package main

import (
	"reflect"
	"sync/atomic"
	"unsafe"

	"github.com/juicedata/juicefs/pkg/meta"
)

// The engine re-reads usage and quotas only in the loop of its heartbeat, which tests make ten minutes long
// so that nothing happens by itself, and postpones a session's expiry only there.  Its interface has no call for
// either; these are the ones that the loop makes.

//go:linkname loadQuotas github.com/juicedata/juicefs/pkg/meta.(*baseMeta).loadQuotas
func loadQuotas(base unsafe.Pointer)

//go:linkname getCounter github.com/juicedata/juicefs/pkg/meta.(*redisMeta).getCounter
func getCounter(engine unsafe.Pointer, name string) (int64, error)

//go:linkname doRefreshSession github.com/juicedata/juicefs/pkg/meta.(*redisMeta).doRefreshSession
func doRefreshSession(engine unsafe.Pointer) error

func refreshSession(engine meta.Meta) error {
	value := reflect.ValueOf(engine)
	base := value.Elem().FieldByName("baseMeta").Elem()
	if base.FieldByName("conf").Elem().FieldByName("ReadOnly").Bool() || base.FieldByName("sid").Uint() == 0 {
		return nil // the loop leaves out those that have no session
	}
	return doRefreshSession(value.UnsafePointer())
}

// refresh does what a heartbeat does but for postponing the expiry of the session.
func refresh(engine meta.Meta) error {
	if _, err := engine.Load(false); err != nil {
		return err
	}
	value := reflect.ValueOf(engine)
	base := value.Elem().FieldByName("baseMeta")
	usage := base.Elem().FieldByName("fsStat").Elem()
	for counter, field := range map[string]string{"usedSpace": "usedSpace", "totalInodes": "usedInodes"} {
		count, err := getCounter(value.UnsafePointer(), counter)
		if err != nil {
			return err
		}
		atomic.StoreInt64((*int64)(unsafe.Pointer(usage.FieldByName(field).UnsafeAddr())), count)
	}
	loadQuotas(base.UnsafePointer())
	return nil
}
