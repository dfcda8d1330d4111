package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strconv"
	"sync"
	"time"
	"unsafe"

	"github.com/redis/go-redis/v9"
)

// overdue is how long the engine may take to handle what it was told: it is not told of everything once a
// connection is lost, or held back.
const overdue = time.Second

// What the engine keeps of attributes and entries, which its interface neither shows nor drops; it counts no hits.
func init() {
	on("cache_stats", func(c *call, p *struct{}) (any, error) {
		kept := 0
		if cache, found := c.cache(); found {
			c.echo.await(private[*redis.Client](cache, "cli"), private[*redis.PubSub](cache, "subscription"))
			for _, store := range stores(cache) {
				kept += int(store.MethodByName("Len").Call(nil)[0].Int())
			}
		}
		return map[string]int{"hits": 0, "misses": 0, "invalidations": 0, "entries": kept, "bytes": 0}, nil
	})
	on("cache_drop", func(c *call, p *struct{}) (any, error) {
		if cache, found := c.cache(); found {
			for _, store := range stores(cache) {
				store.MethodByName("Purge").Call(nil)
			}
		}
		return nothing, nil
	})
}

// cache is the client-side cache; there is none where it is off or the release has none.
func (c *call) cache() (reflect.Value, bool) {
	cache := reflect.ValueOf(c.Meta).Elem().FieldByName("cache")
	if !cache.IsValid() || cache.IsNil() {
		return cache, false
	}
	return cache.Elem(), true
}

func stores(cache reflect.Value) []reflect.Value {
	return []reflect.Value{field(cache, "inodeCache"), field(cache, "entryCache")}
}

// field is a field of the engine that is not exported.
func field(of reflect.Value, name string) reflect.Value {
	field := of.FieldByName(name)
	return reflect.NewAt(field.Type(), unsafe.Pointer(field.UnsafeAddr())).Elem()
}

func private[T any](of reflect.Value, name string) T { return field(of, name).Interface().(T) }

// echo is a message to the client itself, on the connection on which the server tells it of changes: the engine
// handles what comes there in its order, and cannot be asked whether it has.
type echo struct {
	mutex   sync.Mutex
	channel string
	sent    int
}

// await returns when all is handled that the server had to say before this call.
func (e *echo) await(client *redis.Client, told *redis.PubSub) {
	e.mutex.Lock()
	defer e.mutex.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), overdue)
	defer cancel()
	if e.channel == "" {
		e.channel = fmt.Sprintf("metaparity:%x", rand.Uint64())
		_ = told.Subscribe(ctx, e.channel)
	}
	e.sent++
	for ctx.Err() == nil && client.Publish(ctx, e.channel, e.sent).Val() == 0 {
		time.Sleep(time.Millisecond)
	}
	for {
		select {
		case heard := <-told.Channel():
			if heard == nil || heard.Payload == strconv.Itoa(e.sent) {
				return
			}
		case <-ctx.Done():
			return
		}
	}
}
