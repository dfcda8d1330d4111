package main

import (
	"bufio"
	"bytes"
	"fmt"
	"math"
	"math/bits"
	"os"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/juicedata/juicefs/pkg/meta"
)

// bench.run is the loop of conformance/benchmark/measure.py around the workloads of workloads.py, in this process:
// through the protocol a call would cost more than the engine takes for it.

const (
	benchPath   = "p1/p2/p3/p4/p5"
	benchBlock  = 4096
	benchWrites = 50 // to a chunk
)

// spot is where a thread works.
type spot struct {
	Directory, File, Symlink, Listed meta.Ino
}

// step is the operation with a number; every thread counts from 0.
type step func(number int) syscall.Errno

type workload struct {
	start  func(c *call, at spot) step
	refill func(c *call, at spot) step // makes what an operation uses up, outside of the time that counts
}

// worker is one thread's share.
type worker struct {
	step, refill step
	next         int
	taken        histogram
	began, ended time.Time
	status       syscall.Errno
}

func init() {
	on("bench.run", func(c *call, p *struct {
		Workload string
		Seconds  seconds
		Batch    int
		Spots    []spot
	}) (any, error) {
		kind, known := workloads[p.Workload]
		if !known {
			return nil, bad("there is no workload %q", p.Workload)
		}
		workers := make([]*worker, len(p.Spots))
		for i, at := range p.Spots {
			workers[i] = &worker{step: kind.start(c, at)}
			if kind.refill != nil {
				workers[i].refill = kind.refill(c, at)
			}
		}
		return measure(workers, p.Seconds.duration(), p.Batch)
	})
}

// measure lets all workers work for so long, refilling outside of it after each batch; 0 is no batches.
func measure(workers []*worker, long time.Duration, batch int) (any, error) {
	var elapsed, cpu time.Duration
	if status := together(workers, (*worker).warm); status != 0 {
		return nil, status
	}
	for elapsed < long {
		if status := together(workers, func(w *worker) { w.fill(batch) }); status != 0 {
			return nil, status
		}
		var ready sync.WaitGroup
		ready.Add(len(workers))
		before := cpuTime()
		left := long - elapsed
		if status := together(workers, func(w *worker) { w.work(&ready, left, batch) }); status != 0 {
			return nil, status
		}
		cpu += cpuTime() - before
		began, ended := workers[0].began, workers[0].ended
		for _, w := range workers[1:] {
			if w.began.Before(began) {
				began = w.began
			}
			if w.ended.After(ended) {
				ended = w.ended
			}
		}
		elapsed += ended.Sub(began)
	}
	var taken histogram
	for _, w := range workers {
		taken.add(&w.taken)
	}
	memory, err := peakMemory()
	if err != nil {
		return nil, err
	}
	return map[string]any{
		"operations": taken.count, "elapsed": elapsed.Seconds(), "cpu": cpu.Seconds(), "memory": memory,
		"p50": taken.percentile(50), "p99": taken.percentile(99), "max": float64(taken.max) / 1e3,
	}, nil
}

// together makes a call for each worker on a goroutine of its own; the answer is the first errno.
func together(workers []*worker, call func(*worker)) syscall.Errno {
	var all sync.WaitGroup
	for _, w := range workers {
		all.Add(1)
		go func() { defer all.Done(); call(w) }()
	}
	all.Wait()
	for _, w := range workers {
		if w.status != 0 {
			return w.status
		}
	}
	return 0
}

// warm makes one operation that does not count: connections are made, scripts are loaded.
func (w *worker) warm() {
	w.fill(1)
	if w.status == 0 {
		w.status = w.step(0)
	}
	w.next = 1
}

// fill makes what the next operations use up.
func (w *worker) fill(count int) {
	for number := w.next; w.refill != nil && number < w.next+count && w.status == 0; number++ {
		w.status = w.refill(number)
	}
}

// work makes operations until the time is up, or the batch has been made.
func (w *worker) work(ready *sync.WaitGroup, long time.Duration, batch int) {
	last := math.MaxInt
	if batch > 0 {
		last = w.next + batch
	}
	ready.Done()
	ready.Wait()
	w.began = time.Now()
	before := w.began
	for until := w.began.Add(long); w.next < last && w.status == 0 && before.Before(until); w.next++ {
		w.status = w.step(w.next)
		now := time.Now()
		w.taken.note(now.Sub(before))
		before = now
	}
	w.ended = before
}

// histogram counts durations in buckets that are no wider than 1/64 of what they hold.
type histogram struct {
	buckets [64 * 60]int
	count   int
	max     time.Duration
}

func (h *histogram) note(d time.Duration) {
	shift := max(bits.Len64(uint64(d))-7, 0)
	h.buckets[shift<<6+int(d>>shift)]++
	h.count++
	h.max = max(h.max, d)
}

func (h *histogram) add(other *histogram) {
	for i, count := range other.buckets {
		h.buckets[i] += count
	}
	h.count += other.count
	h.max = max(h.max, other.max)
}

// percentile is the bucket, in microseconds, that so many percent of the durations do not exceed.
func (h *histogram) percentile(rank int) float64 {
	left := (h.count*rank + 99) / 100
	for i, count := range h.buckets {
		if left -= count; left <= 0 {
			shift := max(i>>6-1, 0)
			return float64((i-shift<<6)<<shift) / 1e3
		}
	}
	return float64(h.max) / 1e3
}

func cpuTime() time.Duration {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		panic(err) // it knows this process
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// peakMemory is the most bytes that this process had.  On Linux getrusage counts what its parent had when it
// forked, too.
func peakMemory() (int64, error) {
	if runtime.GOOS != "linux" {
		var used syscall.Rusage
		err := syscall.Getrusage(syscall.RUSAGE_SELF, &used)
		return int64(used.Maxrss), err
	}
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, err
	}
	for lines := bufio.NewScanner(bytes.NewReader(status)); lines.Scan(); {
		if value, found := strings.CutPrefix(lines.Text(), "VmHWM:"); found {
			var kib int64
			_, err := fmt.Sscan(value, &kib)
			return kib << 10, err
		}
	}
	return 0, fmt.Errorf("/proc/self/status tells no VmHWM")
}

// reading is a workload whose operations are alike.
func reading(perform func(c *call, at spot) syscall.Errno) workload {
	return workload{start: func(c *call, at spot) step {
		return func(int) syscall.Errno { return perform(c, at) }
	}}
}

func changing(perform func(c *call, at spot, number int) syscall.Errno) workload {
	return workload{start: bound(perform)}
}

func bound(perform func(c *call, at spot, number int) syscall.Errno) func(*call, spot) step {
	return func(c *call, at spot) step {
		return func(number int) syscall.Errno { return perform(c, at, number) }
	}
}

func numbered(number int) string { return fmt.Sprintf("n%d", number) }

func makeFile(c *call, at spot, number int) syscall.Errno {
	var inode meta.Ino
	var attr meta.Attr
	return c.Mknod(c.ctx, at.Directory, numbered(number), meta.TypeFile, 0o644, 0, 0, "", &inode, &attr)
}

func makeDirectory(c *call, at spot, number int) syscall.Errno {
	var inode meta.Ino
	var attr meta.Attr
	return c.Mkdir(c.ctx, at.Directory, numbered(number), 0o755, 0, 0, &inode, &attr)
}

// searcher is who asks for access: the superuser is let in unasked.
var searcher = &caller{meta.NewContext(1, 1000, []uint32{1000}), false}

var workloads = map[string]workload{
	"getattr": reading(func(c *call, at spot) syscall.Errno {
		var attr meta.Attr
		return c.GetAttr(c.ctx, at.File, &attr)
	}),
	"lookup": reading(func(c *call, at spot) syscall.Errno {
		var inode meta.Ino
		var attr meta.Attr
		return c.Lookup(c.ctx, at.Directory, "f", &inode, &attr, false)
	}),
	"lookup-absent": reading(func(c *call, at spot) syscall.Errno {
		var inode meta.Ino
		var attr meta.Attr
		switch status := c.Lookup(c.ctx, at.Directory, "absent", &inode, &attr, false); status {
		case syscall.ENOENT:
			return 0
		case 0:
			return syscall.EEXIST
		default:
			return status
		}
	}),
	"resolve": reading(func(c *call, at spot) syscall.Errno {
		var inode meta.Ino
		var attr meta.Attr
		return c.resolve(meta.RootInode, benchPath, &inode, &attr, false)
	}),
	"access": reading(func(c *call, at spot) syscall.Errno { return c.Access(searcher, at.File, 4, nil) }),
	"open-close": reading(func(c *call, at spot) syscall.Errno {
		var attr meta.Attr
		if status := c.Open(c.ctx, at.File, syscall.O_RDONLY, &attr); status != 0 {
			return status
		}
		return c.Close(c.ctx, at.File)
	}),
	"readdir": reading(func(c *call, at spot) syscall.Errno {
		var entries []*meta.Entry
		return c.Readdir(c.ctx, at.Listed, 1, &entries)
	}),
	"xattr_get": reading(func(c *call, at spot) syscall.Errno {
		var value []byte
		return c.GetXattr(c.ctx, at.File, "a", &value)
	}),
	"readlink": reading(func(c *call, at spot) syscall.Errno {
		var target []byte
		return c.ReadLink(c.ctx, at.Symlink, &target)
	}),
	"read": reading(func(c *call, at spot) syscall.Errno {
		var list []meta.Slice
		return c.Read(c.ctx, at.File, 0, &list)
	}),
	"setattr": changing(func(c *call, at spot, number int) syscall.Errno {
		attr := meta.Attr{Mode: []uint16{0o600, 0o644}[number%2]}
		return c.SetAttr(c.ctx, at.File, meta.SetAttrMode, 0, &attr)
	}),
	"write": changing(func(c *call, at spot, number int) syscall.Errno {
		slice := meta.Slice{Id: uint64(number + 1), Size: benchBlock, Len: benchBlock}
		chunk, place := uint32(number/benchWrites), uint32(number%benchWrites)
		return c.Write(c.ctx, at.File, chunk, place*benchBlock, slice, time.Unix(1, 1))
	}),
	"mknod": changing(makeFile),
	"mkdir": changing(makeDirectory),
	"unlink": {bound(func(c *call, at spot, number int) syscall.Errno {
		return c.Unlink(c.ctx, at.Directory, numbered(number))
	}), bound(makeFile)},
	"rmdir": {bound(func(c *call, at spot, number int) syscall.Errno {
		return c.Rmdir(c.ctx, at.Directory, numbered(number))
	}), bound(makeDirectory)},
	"rename": changing(func(c *call, at spot, number int) syscall.Errno {
		names := [2]string{"a", "b"}
		var inode meta.Ino
		var attr meta.Attr
		return c.Rename(c.ctx, at.Directory, names[number%2], at.Directory, names[1-number%2], 0, &inode, &attr)
	}),
	"link": changing(func(c *call, at spot, number int) syscall.Errno {
		var attr meta.Attr
		return c.Link(c.ctx, at.File, at.Directory, numbered(number), &attr)
	}),
	"xattr_set": changing(func(c *call, at spot, number int) syscall.Errno {
		return c.SetXattr(c.ctx, at.File, "b", fmt.Append(nil, number), 0)
	}),
	"flock": changing(func(c *call, at spot, number int) syscall.Errno {
		if status := c.Flock(c.ctx, at.File, 1, syscall.F_WRLCK, false); status != 0 {
			return status
		}
		return c.Flock(c.ctx, at.File, 1, syscall.F_UNLCK, false)
	}),
	"truncate": changing(func(c *call, at spot, number int) syscall.Errno {
		var attr meta.Attr
		return c.Truncate(c.ctx, at.File, 0, []uint64{benchBlock, 2 * benchBlock}[number%2], &attr, false)
	}),
}
