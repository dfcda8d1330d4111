package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"regexp"
	"runtime/debug"
	"runtime/pprof"
	"sync"
	"syscall"
	"time"
	"unicode/utf8"
)

const (
	parseError     = -32700
	invalidRequest = -32600
	unknownMethod  = -32601
	badParameters  = -32602
	failed         = -32603
)

// grace is what calls under way get at the end of stdin.
const grace = 10 * time.Second

// protocolError is a request that gets an `error` instead of a `result`.
type protocolError struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
}

func (e *protocolError) Error() string { return e.Message }

func bad(format string, values ...any) error {
	return &protocolError{badParameters, fmt.Sprintf(format, values...)}
}

// unsupported is what this engine does not offer; the text says why.
type unsupported string

func (u unsupported) Error() string { return string(u) }

// request is one line; absent fields are nil.
type request struct {
	Version json.RawMessage `json:"jsonrpc"`
	ID      json.RawMessage `json:"id"`
	Method  json.RawMessage `json:"method"`
	Params  json.RawMessage `json:"params"`
}

// underway is a call that has not been answered.
type underway struct {
	caller   *caller
	blocking bool
}

// service has the clients and the calls under way of one connection.  Only the goroutine that reads requests
// touches the clients.
type service struct {
	output  io.Writer
	writing sync.Mutex
	clients map[string]*client
	opened  int
	mutex   sync.Mutex
	calls   map[string]underway
	pending sync.WaitGroup
}

func newService(output io.Writer) *service {
	return &service{output: output, clients: map[string]*client{}, calls: map[string]underway{}}
}

// serve answers requests until the end of input; it never waits for the engine.
func (s *service) serve(input io.Reader) {
	lines := bufio.NewReaderSize(input, 1<<16)
	for {
		line, err := lines.ReadBytes('\n')
		if len(bytes.TrimSpace(line)) > 0 {
			s.receive(line)
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			log.Printf("reading requests: %v", err)
			break
		}
	}
	s.end()
}

// end finishes the calls under way but for blocking locks, which are cancelled; lets go of the clients.
func (s *service) end() {
	s.mutex.Lock()
	for _, call := range s.calls {
		if call.blocking {
			call.caller.Cancel()
		}
	}
	s.mutex.Unlock()
	done := make(chan struct{})
	go func() { s.pending.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(grace):
		log.Printf("some calls did not end within %v", grace)
	}
	for _, client := range s.clients {
		client.close()
	}
}

var whole = regexp.MustCompile(`^-?[0-9]+$`)

func (s *service) receive(line []byte) {
	var id json.RawMessage
	err := func() error {
		if !utf8.Valid(line) || !json.Valid(line) {
			return &protocolError{parseError, "this line is not JSON"}
		}
		var req request
		if json.Unmarshal(line, &req) != nil || bytes.TrimSpace(line)[0] != '{' {
			return &protocolError{invalidRequest, "a request is one JSON object on a line"}
		}
		if req.ID != nil && req.ID[0] != '"' && !whole.Match(req.ID) && string(req.ID) != "null" {
			return &protocolError{invalidRequest, "an id is a number or a text"}
		}
		id = req.ID
		var method string
		if string(req.Version) != `"2.0"` || len(req.Method) == 0 || json.Unmarshal(req.Method, &method) != nil {
			return &protocolError{invalidRequest, `a request has "jsonrpc": "2.0" and a method`}
		}
		params := map[string]json.RawMessage{}
		if req.Params != nil && (req.Params[0] != '{' || json.Unmarshal(req.Params, &params) != nil) {
			return bad("params is an object")
		}
		return s.handle(id, method, params)
	}()
	if err != nil {
		s.answer(id, nil, err)
	}
}

// handle makes a call.  What only concerns this program is done at once, so that requests sent without
// waiting for the answer find it done.
func (s *service) handle(id json.RawMessage, method string, params map[string]json.RawMessage) error {
	if method == "$/cancel" {
		err := s.cancel(params)
		if err == nil && id != nil {
			s.answer(id, nothing, nil)
		}
		return err
	}
	if id == nil {
		return &protocolError{invalidRequest, "only $/cancel may come without an id"}
	}
	s.mutex.Lock()
	_, taken := s.calls[string(id)]
	s.mutex.Unlock()
	if taken {
		return &protocolError{invalidRequest, fmt.Sprintf("the call with the id %s is still under way", id)}
	}
	switch method {
	case "hello":
		value, err := hello(params)
		s.answer(id, value, err)
		return nil
	case "open":
		s.answer(id, nothing, s.open(params))
		return nil
	}
	made, known := methods[method]
	if !known && method != "close" {
		return &protocolError{unknownMethod, fmt.Sprintf("there is no method %q", method)}
	}
	name, client, err := s.client(params)
	if err != nil {
		return err
	}
	delete(params, "client")
	if method == "close" {
		if err := decodeObject(params, &struct{}{}); err != nil {
			return err
		}
		delete(s.clients, name)
		s.run(id, client, underway{newCaller(), false}, func() (any, error) { client.close(); return nothing, nil })
		return nil
	}
	caller, err := takeCaller(params)
	if err != nil {
		return err
	}
	perform, err := made(params)
	if err != nil {
		return err
	}
	call := underway{caller, string(params["block"]) == "true"}
	s.run(id, client, call, func() (any, error) { return client.perform(method, caller, perform) })
	return nil
}

func hello(params map[string]json.RawMessage) (any, error) {
	var p struct {
		Protocol int `opt:"yes"`
	}
	if err := decodeObject(params, &p); err != nil {
		return nil, err
	}
	if p.Protocol != protocol {
		return nil, unsupported(fmt.Sprintf("this driver speaks protocol %d, not %d", protocol, p.Protocol))
	}
	return map[string]any{
		"protocol": protocol, "name": "juicefs", "version": engineVersion(), "language": "go",
		"capabilities": capabilities, "schemes": schemes,
	}, nil
}

func (s *service) open(params map[string]json.RawMessage) error {
	var p struct {
		Client, Url string
		Config      config `opt:"yes"`
	}
	p.Config.defaults() // for where none is given
	if err := decodeObject(params, &p); err != nil {
		return err
	}
	if _, open := s.clients[p.Client]; open {
		return bad("client %q is open: close it or choose another name", p.Client)
	}
	s.opened++
	client, err := newClient(fmt.Sprint(s.opened), p.Url, p.Config)
	if err == nil {
		s.clients[p.Client] = client
	}
	return err
}

func (s *service) client(params map[string]json.RawMessage) (string, *client, error) {
	var name string
	if params["client"] != nil && json.Unmarshal(params["client"], &name) == nil {
		if client := s.clients[name]; client != nil {
			return name, client, nil
		}
	}
	return "", nil, bad("no client %q is open: open it first", name)
}

func (s *service) cancel(params map[string]json.RawMessage) error {
	if id := params["id"]; id == nil || len(params) != 1 {
		return bad("$/cancel takes the id of a call")
	}
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if call, found := s.calls[string(params["id"])]; found { // otherwise it has been answered
		call.caller.Cancel()
	}
	return nil
}

// run makes a call on a goroutine of its own and sends its answer.
func (s *service) run(id json.RawMessage, client *client, call underway, make func() (any, error)) {
	s.mutex.Lock()
	s.calls[string(id)] = call
	s.mutex.Unlock()
	s.pending.Add(1)
	go pprof.Do(call.caller, pprof.Labels(clientLabel, client.label), func(context.Context) {
		defer s.pending.Done()
		value, err := guarded(func() (any, error) {
			if call.caller.Canceled() { // before it began
				return nil, syscall.EINTR
			}
			return make()
		})
		s.mutex.Lock()
		delete(s.calls, string(id)) // before the answer: its reader may use the id again
		s.mutex.Unlock()
		s.answer(id, value, err)
	})
}

// guarded turns a panic of the engine into an error.
func guarded(make func() (any, error)) (value any, err error) {
	defer func() {
		switch failure := recover().(type) {
		case nil:
		case fatal:
			value, err = nil, fmt.Errorf("%w: %s", errUnavailable, string(failure))
		default:
			fmt.Fprintf(os.Stderr, "panic: %v\n%s", failure, debug.Stack())
			value, err = nil, &protocolError{failed, fmt.Sprintf("panic: %v", failure)}
		}
	}()
	return make()
}

func (s *service) answer(id json.RawMessage, value any, err error) {
	if id == nil {
		id = json.RawMessage("null")
	}
	message := map[string]any{"jsonrpc": "2.0", "id": id}
	var protocolErr *protocolError
	if errors.As(err, &protocolErr) {
		message["error"] = protocolErr
	} else {
		message["result"] = outcome(value, err)
	}
	var line bytes.Buffer
	encoder := json.NewEncoder(&line)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(message); err != nil {
		panic(err) // no shape of ours fails to encode
	}
	s.writing.Lock()
	defer s.writing.Unlock()
	if _, err := s.output.Write(line.Bytes()); err != nil {
		log.Fatalf("writing answers: %v", err)
	}
}
