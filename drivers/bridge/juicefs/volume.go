package main

import (
	"bytes"
	"encoding/json"
	"strings"

	"github.com/juicedata/juicefs/pkg/meta"
)

// format is the settings of a volume; a field that JuiceFS does not have is unsupported.
type format struct{ meta.Format }

func (f *format) UnmarshalJSON(raw []byte) error {
	fields := json.NewDecoder(bytes.NewReader(raw))
	fields.DisallowUnknownFields()
	err := fields.Decode(&f.Format)
	if err != nil && strings.Contains(err.Error(), "unknown field") {
		return unsupported("JuiceFS has no setting of this name: " + err.Error())
	}
	return err
}

func init() {
	on("init", func(c *call, p *struct {
		Format format
		Force  bool `opt:"yes"`
	}) (any, error) {
		return done(c.Init(&p.Format.Format, p.Force))
	})
	on("load", func(c *call, p *struct {
		CheckVersion bool `opt:"yes"`
	}) (any, error) {
		c.connecting.Lock()
		defer c.connecting.Unlock()
		return c.client.load(c.Meta, p.CheckVersion)
	})
	on("reset", func(c *call, p *struct{}) (any, error) { return done(c.Reset()) })
	on("shutdown", func(c *call, p *struct{}) (any, error) { return done(c.Shutdown()) })
	on("chroot", func(c *call, p *struct{ Path text }) (any, error) {
		return told(nothing, c.Chroot(c.ctx, string(p.Path)))
	})
	on("settle", func(c *call, p *struct{}) (any, error) {
		if !c.isLoaded() {
			return nothing, nil // it did nothing yet that could be held back
		}
		return done(c.settle())
	})
	on("refresh", func(c *call, p *struct{}) (any, error) { return done(refresh(c.Meta)) })
	on("events", func(c *call, p *struct{}) (any, error) {
		if err := c.rest(); err != nil {
			return nil, err
		}
		c.mutex.Lock()
		defer c.mutex.Unlock()
		happened := c.client.events
		c.client.events = []event{}
		return happened, nil
	})

	on("session_new", func(c *call, p *struct {
		Record bool `opt:"yes"`
	}) (any, error) {
		if err := c.NewSession(p.Record); err != nil {
			return nil, err
		}
		return map[string]uint64{"sid": c.conf.Sid}, nil // the engine keeps it in the configuration, too
	})
	on("session_close", func(c *call, p *struct{}) (any, error) { return done(c.CloseSession()) })
	on("session_get", func(c *call, p *struct {
		Sid    uint64
		Detail bool `opt:"yes"`
	}) (any, error) {
		found, err := c.GetSession(p.Sid, p.Detail)
		if err != nil {
			return nil, err
		}
		return sessionOf(found), nil
	})
	on("session_list", func(c *call, p *struct{}) (any, error) {
		list, err := c.ListSessions()
		if err != nil {
			return nil, err
		}
		shown := make([]session, len(list))
		for i, one := range list {
			shown[i] = sessionOf(one)
		}
		return shown, nil
	})
	on("session_cleanup", func(c *call, p *struct{}) (any, error) {
		c.CleanStaleSessions(c.ctx)
		return nothing, nil
	})
	on("session_refresh", func(c *call, p *struct{}) (any, error) { return done(refreshSession(c.Meta)) })

	on("clock_set", func(c *call, p *struct{ Now stamp }) (any, error) {
		return nil, unsupported("JuiceFS has no clock but the system's")
	})
}

// settle ends the background work first, because it changes the statistics.
func (c *call) settle() error {
	if err := c.rest(); err != nil {
		return err
	}
	if !c.conf.ReadOnly && c.conf.MaxDeletes > 0 {
		// Of many files removed at once the engine leaves all but a hundred to its hourly job; what was
		// removed before this client began is not its work.
		waiting := false
		now := func(_ meta.Ino, _ uint64, removed int64) (bool, error) {
			waiting = waiting || removed >= c.begun
			return removed >= c.begun, nil
		}
		if err := c.ScanDeletedObject(c.ctx, nil, nil, nil, now); err != nil {
			return err
		}
		if waiting {
			if err := c.rest(); err != nil {
				return err
			}
		}
	}
	c.FlushSession()
	return nil
}
