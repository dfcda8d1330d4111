package main

import (
	"bufio"
	"cmp"
	"io"
	"os"

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

func writeFile(path string, write func(io.Writer) error) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	defer file.Close()
	buffer := bufio.NewWriter(file)
	if err := write(buffer); err != nil {
		return err
	}
	if err := buffer.Flush(); err != nil {
		return err
	}
	return file.Close()
}

// readFile hands over the file itself: L5.19 takes a short read for the end.
func readFile(path string, read func(io.Reader) error) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	return read(file)
}
