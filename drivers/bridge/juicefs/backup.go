package main

import (
	"bufio"
	"cmp"
	"compress/gzip"
	"io"
	"os"
	"strings"

	"github.com/juicedata/juicefs/pkg/meta"
)

// standardThreads is what the engine's own commands use.
const standardThreads = 10

func init() {
	on("dump", func(c *call, p *struct {
		Path                        string
		Root                        meta.Ino `opt:"yes"`
		KeepSecret, Fast, SkipTrash bool     `opt:"yes"`
		Threads                     int      `opt:"yes"`
	}) (any, error) {
		return done(writeFile(p.Path, func(out io.Writer) error {
			return c.DumpMeta(out, p.Root, cmp.Or(p.Threads, standardThreads), p.KeepSecret, p.Fast, p.SkipTrash)
		}))
	})
	on("backup", func(c *call, p *struct {
		Path       string
		Threads    int  `opt:"yes"`
		KeepSecret bool `opt:"yes"`
	}) (any, error) {
		return done(writeFile(p.Path, func(out io.Writer) error {
			return c.DumpMetaV2(c.ctx, out, &meta.DumpOption{KeepSecret: p.KeepSecret, Threads: p.Threads})
		}))
	})
	on("load_dump", func(c *call, p *struct{ Path string }) (any, error) {
		return done(readFile(p.Path, c.LoadMeta))
	})
	on("restore", func(c *call, p *struct {
		Path    string
		Threads int `opt:"yes"`
	}) (any, error) {
		options := &meta.LoadOption{Threads: cmp.Or(p.Threads, standardThreads)}
		return done(readFile(p.Path, func(in io.Reader) error { return c.LoadMetaV2(c.ctx, in, options) }))
	})
}

// writeFile writes a file whole or not at all, packed when its name says so: what the engine's own commands
// do around it (L4.16).  What is no file, like a pipe, takes the bytes as they come.
func writeFile(path string, write func(io.Writer) error) error {
	unfinished := path + ".tmp"
	if found, err := os.Stat(path); err == nil && !found.Mode().IsRegular() {
		unfinished = path
	}
	file, err := os.Create(unfinished)
	if err != nil {
		return err
	}
	defer file.Close()
	if err = pack(file, isPacked(path), write); err == nil {
		err = file.Close()
	}
	if unfinished == path {
		return err
	}
	if err != nil {
		os.Remove(unfinished)
		return err
	}
	return os.Rename(unfinished, path)
}

func isPacked(path string) bool { return strings.HasSuffix(path, ".gz") }

// pack writes to a file, through gzip when that is asked for.
func pack(file io.Writer, packed bool, write func(io.Writer) error) error {
	buffer := bufio.NewWriter(file)
	if packed {
		compressor := gzip.NewWriter(buffer)
		if err := write(compressor); err != nil {
			return err
		}
		if err := compressor.Close(); err != nil {
			return err
		}
	} else if err := write(buffer); err != nil {
		return err
	}
	return buffer.Flush()
}

// readFile hands over a file itself: L5.19 takes a short read for the end.  One that is packed is unpacked first.
func readFile(path string, read func(io.Reader) error) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	if !isPacked(path) {
		return read(file)
	}
	unpacked, err := os.CreateTemp("", "juicefs-adapter-*")
	if err != nil {
		return err
	}
	defer unpacked.Close()
	if err := os.Remove(unpacked.Name()); err != nil {
		return err
	}
	in, err := gzip.NewReader(file)
	if err != nil {
		return err
	}
	if _, err := io.Copy(unpacked, in); err != nil {
		return err
	}
	if _, err := unpacked.Seek(0, io.SeekStart); err != nil {
		return err
	}
	return read(unpacked)
}
