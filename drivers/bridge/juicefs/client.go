package main

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/juicedata/juicefs/pkg/meta"
)

// seconds is a duration as the protocol has it.
type seconds float64

func (s seconds) duration() time.Duration { return time.Duration(float64(s) * float64(time.Second)) }

// config is the `config` of `open`.
type config struct {
	ReadOnly        bool    `opt:"yes"`
	NoBgJobs        bool    `opt:"yes"`
	Heartbeat       seconds `opt:"yes"`
	DirStatFlush    seconds `opt:"yes"`
	SkipDirMtime    seconds `opt:"yes"`
	AtimeMode       string  `opt:"yes"`
	OpenCache       seconds `opt:"yes"`
	OpenCacheLimit  uint64  `opt:"yes"`
	CaseInsensitive bool    `opt:"yes"`
	SortDir         bool    `opt:"yes"`
	MaxDeletes      int     `opt:"yes"`
	Subdir          string  `opt:"yes"`
	MountPoint      string  `opt:"yes"`
	Retries         int     `opt:"yes"`
	DeleteSlice     string  `opt:"yes"`
	CompactChunk    string  `opt:"yes"`
}

func (c *config) defaults() {
	standard := meta.DefaultConf()
	*c = config{
		Heartbeat: seconds(standard.Heartbeat.Seconds()), DirStatFlush: seconds(standard.DirStatFlushPeriod.Seconds()),
		AtimeMode: standard.AtimeMode, MaxDeletes: standard.MaxDeletes, Retries: standard.Retries,
		DeleteSlice: "ok", CompactChunk: "ok",
	}
}

func (c config) check() error {
	modes := []string{meta.NoAtime, meta.RelAtime, meta.StrictAtime}
	behaviours := []string{"ok", "fail", "record"}
	for _, field := range []struct {
		name, value string
		choices     []string
	}{
		{"atime_mode", c.AtimeMode, modes}, {"delete_slice", c.DeleteSlice, behaviours},
		{"compact_chunk", c.CompactChunk, behaviours},
	} {
		if !slices.Contains(field.choices, field.value) {
			return bad("config: %s: expected one of %s, not %q", field.name, strings.Join(field.choices, ", "), field.value)
		}
	}
	return nil
}

func (c config) engine() *meta.Config {
	return &meta.Config{
		Retries: c.Retries, MaxDeletes: c.MaxDeletes, CaseInsensi: c.CaseInsensitive, ReadOnly: c.ReadOnly,
		NoBGJob: c.NoBgJobs, OpenCache: c.OpenCache.duration(), OpenCacheLimit: c.OpenCacheLimit,
		Heartbeat: c.Heartbeat.duration(), MountPoint: c.MountPoint, Subdir: c.Subdir, AtimeMode: c.AtimeMode,
		DirStatFlushPeriod: c.DirStatFlush.duration(), SkipDirMtime: c.SkipDirMtime.duration(), SortDir: c.SortDir,
	}
}

// client is one open client: a meta.Meta of its own that connects when it is first needed.
type client struct {
	label  string // marks this client's goroutines
	url    string
	config config
	conf   *meta.Config
	begun  int64 // seconds since the epoch

	connecting sync.Mutex
	engine     meta.Meta
	loaded     bool

	echo echo

	mutex       sync.Mutex
	directories map[int]directory
	opened      int
	events      []event
}

func newClient(label, url string, config config) (*client, error) {
	scheme, _, found := strings.Cut(url, "://")
	if !found || !slices.Contains(schemes, scheme) {
		return nil, bad("no driver for %q: a URL begins with one of %s", url, strings.Join(schemes, ", "))
	}
	if err := config.check(); err != nil {
		return nil, err
	}
	return &client{
		label: label, url: url, config: config, conf: config.engine(), directories: map[int]directory{},
		events: []event{}, begun: time.Now().Unix(),
	}, nil
}

// call is what a method needs of its client and of its caller.
type call struct {
	*client
	meta.Meta
	ctx meta.Context
}

// method reads parameters; what it returns performs the call.
type method func(params map[string]json.RawMessage) (func(*call) (any, error), error)

var methods = map[string]method{}

// on registers a method with the schema of its parameters.
func on[P any](name string, perform func(*call, *P) (any, error)) {
	methods[name] = func(params map[string]json.RawMessage) (func(*call) (any, error), error) {
		p := new(P)
		if err := decodeObject(params, p); err != nil {
			return nil, err
		}
		return func(c *call) (any, error) { return perform(c, p) }, nil
	}
}

// unformatted are the methods that work on a database without settings.
var unformatted = map[string]bool{
	"init": true, "load": true, "reset": true, "shutdown": true, "settle": true, "events": true, "load_dump": true,
	"restore": true, "cache_stats": true, "cache_drop": true,
}

func (c *client) perform(name string, ctx meta.Context, perform func(*call) (any, error)) (any, error) {
	engine, err := c.ready(!unformatted[name])
	if err != nil {
		return nil, err
	}
	return perform(&call{c, engine, ctx})
}

// ready connects, and loads the settings where they are needed and have not been.
func (c *client) ready(settings bool) (meta.Meta, error) {
	c.connecting.Lock()
	defer c.connecting.Unlock()
	if c.engine == nil {
		engine := meta.NewClient(c.url, c.conf)
		engine.OnMsg(meta.DeleteSlice, c.deleteSlice)
		engine.OnMsg(meta.CompactChunk, c.compactChunk)
		c.engine = engine
	}
	if settings && !c.loaded {
		if _, err := c.load(c.engine, false); err != nil {
			return nil, err
		}
	}
	return c.engine, nil
}

// load makes the settings those of this client; the first time it enters the client's sub-directory, as a
// mount does.
func (c *client) load(engine meta.Meta, checkVersion bool) (*meta.Format, error) {
	format, err := engine.Load(checkVersion)
	if err == nil && !c.loaded {
		c.loaded = true
		if status := engine.Chroot(meta.Background(), c.config.Subdir); status != 0 {
			return nil, status
		}
	}
	return format, err
}

// close lets go of the client as a crash would.  With the connections closed first, ending the session
// reaches nothing on the server: it only ends the goroutines, to which there is no other way.
func (c *client) close() {
	c.connecting.Lock()
	defer c.connecting.Unlock()
	if c.engine == nil {
		return
	}
	_ = c.engine.Shutdown() // says that it was closed before where `shutdown` came first
	if c.loaded {
		go guarded(func() (any, error) { return nil, c.engine.CloseSession() })
	}
}

// event is what the engine asked of the object store.
type event struct {
	Kind   string  `json:"kind"`
	ID     uint64  `json:"id"`
	Size   uint32  `json:"size"`
	Slices []slice `json:"slices"`
}

var errNoStore = errors.New("the object store was told to fail")

func (c *client) asked(behaviour string, asked event) error {
	if behaviour == "fail" {
		return errNoStore
	}
	if behaviour == "record" {
		c.mutex.Lock()
		defer c.mutex.Unlock()
		c.events = append(c.events, asked)
	}
	return nil
}

func (c *client) deleteSlice(args ...any) error {
	return c.asked(c.config.DeleteSlice, event{Kind: "delete_slice", ID: args[0].(uint64), Size: args[1].(uint32), Slices: []slice{}})
}

func (c *client) compactChunk(args ...any) error {
	pieces := slicesOf(args[0].([]meta.Slice))
	return c.asked(c.config.CompactChunk, event{Kind: "compact_chunk", ID: args[1].(uint64), Slices: pieces})
}

// keep makes a handle of an open directory.
func (c *client) keep(open directory) int {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.opened++
	c.directories[c.opened] = open
	return c.opened
}

// with uses an open directory; a handle that was never given is a bad descriptor.
func (c *client) with(handle int, use func(directory) (any, error)) (any, error) {
	c.mutex.Lock()
	open, found := c.directories[handle]
	c.mutex.Unlock()
	if !found {
		return nil, syscall.EBADF
	}
	return use(open)
}

func (c *client) isLoaded() bool {
	c.connecting.Lock()
	defer c.connecting.Unlock()
	return c.loaded
}
