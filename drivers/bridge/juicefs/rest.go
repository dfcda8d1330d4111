package main

import (
	"bytes"
	"fmt"
	"regexp"
	"runtime/pprof"
	"strings"
	"time"
)

const clientLabel = "client"

// patience is how long `settle` waits for background work.
const patience = 20 * time.Second

// The engine deletes, compacts and counts on goroutines of which it tells nobody.  They inherit the label of
// the call that started their client or themselves, so the goroutine profile shows whose they are and where.

var (
	profiled = regexp.MustCompile(`(?m)^#\t0x[0-9a-f]+\t(\S+)\+0x`)
	ofEngine = "github.com/juicedata/juicefs/pkg/meta."
	// waiting are the loops of a client; one that is not inside another function waits for its next turn.
	waiting = regexp.MustCompile(`\.(refresh|flush\w+|cleanup\w*|clean|startDeleteSliceTasks\.func\d+)$`)
)

// rest waits until no goroutine of the client works in the background.
func (c *client) rest() error {
	deadline := time.Now().Add(patience)
	quiet := 0
	for {
		work := c.backgroundWork()
		if quiet++; work != "" {
			quiet = 0
		}
		if quiet == 2 { // one look can fall between a worker's taking of a task and its first step
			return nil
		}
		if time.Now().After(deadline) {
			return &protocolError{failed, fmt.Sprintf("background work did not end within %v: %s", patience, work)}
		}
		time.Sleep(500 * time.Microsecond)
	}
}

// backgroundWork is a function of the engine that runs for this client outside a call, "" where there is none.
func (c *client) backgroundWork() string {
	var profile bytes.Buffer
	_ = pprof.Lookup("goroutine").WriteTo(&profile, 1) // a buffer takes everything
	mine := fmt.Sprintf("\n# labels: {%q:%q}\n", clientLabel, c.label)
	for stack := range strings.SplitSeq(profile.String(), "\n\n") {
		if !strings.Contains(stack, mine) {
			continue
		}
		var frames []string
		own := false
		for _, frame := range profiled.FindAllStringSubmatch(stack, -1) {
			own = own || strings.HasPrefix(frame[1], "main.(*service)")
			if strings.HasPrefix(frame[1], ofEngine) {
				frames = append(frames, frame[1])
			}
		}
		if own || len(frames) == 0 || len(frames) == 1 && waiting.MatchString(frames[0]) {
			continue
		}
		return frames[0]
	}
	return ""
}
