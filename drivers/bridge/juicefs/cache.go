package main

import (
	"reflect"
	"time"
	"unsafe"
)

// handled is how long an invalidation may take to be handled: the engine cannot be asked whether it has.
const handled = 100 * time.Millisecond

// What the engine keeps of attributes and entries, which its interface neither shows nor drops; it counts no hits.
func init() {
	on("cache_stats", func(c *call, p *struct{}) (any, error) {
		kept := 0
		stores := c.caches()
		if len(stores) > 0 {
			time.Sleep(handled)
		}
		for _, store := range stores {
			kept += int(store.MethodByName("Len").Call(nil)[0].Int())
		}
		return map[string]int{"hits": 0, "misses": 0, "invalidations": 0, "entries": kept, "bytes": 0}, nil
	})
	on("cache_drop", func(c *call, p *struct{}) (any, error) {
		for _, store := range c.caches() {
			store.MethodByName("Purge").Call(nil)
		}
		return nothing, nil
	})
}

// caches are the stores of the client-side cache, none where it is off or the release has none.
func (c *call) caches() []reflect.Value {
	cache := reflect.ValueOf(c.Meta).Elem().FieldByName("cache")
	if !cache.IsValid() || cache.IsNil() {
		return nil
	}
	stores := []reflect.Value{}
	for _, name := range []string{"inodeCache", "entryCache"} {
		field := cache.Elem().FieldByName(name)
		stores = append(stores, reflect.NewAt(field.Type(), unsafe.Pointer(field.UnsafeAddr())).Elem())
	}
	return stores
}
