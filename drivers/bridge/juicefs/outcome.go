package main

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"net"
	"os"
	"strings"
	"syscall"

	"github.com/redis/go-redis/v9"
	"golang.org/x/sys/unix"
)

// nothing is the value of a method that names none.
var nothing = struct{}{}

var errUnavailable = errors.New("the server is not available")

// nodeExists is an EEXIST that carries the node in the way.
type nodeExists struct{ node node }

func (nodeExists) Error() string { return syscall.EEXIST.Error() }

// told is the outcome of a call that answers an errno.
func told(value any, status syscall.Errno) (any, error) {
	if status != 0 {
		return nil, status
	}
	return value, nil
}

// done is the outcome of a call that answers an error and no value.
func done(err error) (any, error) { return nothing, err }

// outcome is the `result` of a request.
func outcome(value any, err error) map[string]any {
	var exists nodeExists
	var reason unsupported
	switch number := errnoOf(err); {
	case err == nil:
		return map[string]any{"ok": value}
	case errors.As(err, &reason):
		return map[string]any{"unsupported": string(reason)}
	case errors.As(err, &exists):
		return map[string]any{"errno": "EEXIST", "node": exists.node}
	case number != 0:
		return map[string]any{"errno": errnoName(number), "detail": err.Error()}
	default:
		return map[string]any{"refused": err.Error()}
	}
}

// errnoOf is the errno of an error, 0 where its rule has none.  An errno that the engine wrapped in words is
// one of these: its callers see the words.
func errnoOf(err error) syscall.Errno {
	var network *net.OpError // net.Error would take any errno for one
	var file *fs.PathError
	var link *os.LinkError
	var reply redis.Error
	switch number, plain := err.(syscall.Errno); {
	case plain:
		return number
	case err == nil:
		return 0
	case errors.As(err, &file):
		return errnoOf(file.Err)
	case errors.As(err, &link):
		return errnoOf(link.Err)
	case errors.Is(err, context.Canceled):
		return syscall.EINTR
	case errors.Is(err, errUnavailable), errors.Is(err, io.EOF), errors.Is(err, redis.ErrClosed), errors.As(err, &network):
		return syscall.EIO
	case errors.As(err, &reply) && reply != redis.Nil:
		if strings.HasPrefix(reply.Error(), "OOM") {
			return syscall.ENOSPC
		}
		return syscall.EIO
	}
	return 0
}

// errnoName is the Linux name; the protocol has no aliases.
func errnoName(number syscall.Errno) string {
	name := unix.ErrnoName(number)
	if name == "EOPNOTSUPP" {
		return "ENOTSUP"
	}
	if name == "ENOATTR" {
		return "ENODATA"
	}
	return name
}
