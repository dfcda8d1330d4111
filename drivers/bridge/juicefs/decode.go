package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"reflect"
	"strings"
	"unicode"
)

// The schema of a method's parameters is a struct: a field is required unless its tag says `opt`, its name on
// the wire is its Go name in snake case or that of a json tag.  encoding/json alone would let pass what
// is missing, unknown, null or differs in case.

// defaulted are shapes with absent fields that are not zero.
type defaulted interface{ defaults() }

// decodeObject fills a struct; what it has no field for is unsupported.
func decodeObject(params map[string]json.RawMessage, into any) error {
	return object("", params, reflect.ValueOf(into).Elem())
}

func object(place string, given map[string]json.RawMessage, into reflect.Value) error {
	known := map[string]bool{}
	for i := range into.NumField() {
		field := into.Type().Field(i)
		name := wireName(field)
		known[name] = true
		raw, present := given[name]
		if !present {
			if field.Tag.Get("opt") == "" {
				return bad("%sthe parameter %q is needed", place, name)
			}
			continue
		}
		if err := decode(place+name+": ", raw, into.Field(i)); err != nil {
			return err
		}
	}
	for name := range given {
		if !known[name] {
			return unsupported(fmt.Sprintf("%sthere is no parameter %q", place, name))
		}
	}
	return nil
}

func wireName(field reflect.StructField) string {
	if tag, _, _ := strings.Cut(field.Tag.Get("json"), ","); tag != "" {
		return tag
	}
	var name strings.Builder
	for i, letter := range field.Name {
		if unicode.IsUpper(letter) && i > 0 {
			name.WriteByte('_')
		}
		name.WriteRune(unicode.ToLower(letter))
	}
	return name.String()
}

func decode(place string, raw json.RawMessage, into reflect.Value) error {
	null := string(bytes.TrimSpace(raw)) == "null"
	if own, is := into.Addr().Interface().(json.Unmarshaler); is && !null {
		if err := own.UnmarshalJSON(raw); err != nil {
			return explained(place, raw, err)
		}
		return nil
	}
	if own, is := into.Addr().Interface().(defaulted); is {
		own.defaults()
	}
	switch {
	case into.Kind() == reflect.Pointer && null:
		return nil
	case null:
		return bad("%snull is no value", place)
	case into.Kind() == reflect.Pointer:
		into.Set(reflect.New(into.Type().Elem()))
		return decode(place, raw, into.Elem())
	case into.Kind() == reflect.Struct:
		given := map[string]json.RawMessage{}
		if err := json.Unmarshal(raw, &given); err != nil {
			return bad("%sexpected an object, not %s", place, raw)
		}
		return object(place, given, into)
	case into.Kind() == reflect.Slice, into.Kind() == reflect.Array:
		var items []json.RawMessage
		if err := json.Unmarshal(raw, &items); err != nil {
			return bad("%sexpected a list, not %s", place, raw)
		}
		if into.Kind() == reflect.Slice {
			into.Set(reflect.MakeSlice(into.Type(), len(items), len(items)))
		} else if len(items) != into.Len() {
			return bad("%sexpected a list of %d, not %s", place, into.Len(), raw)
		}
		for i, item := range items {
			if err := decode(fmt.Sprintf("%s%d: ", place, i), item, into.Index(i)); err != nil {
				return err
			}
		}
		return nil
	}
	if err := json.Unmarshal(raw, into.Addr().Interface()); err != nil {
		return explained(place, raw, err)
	}
	return nil
}

// explained tells a value of the wrong kind from an integer that this engine's own type cannot hold.
func explained(place string, raw json.RawMessage, err error) error {
	if reason, is := err.(unsupported); is {
		return unsupported(place + string(reason))
	}
	var mismatch *json.UnmarshalTypeError
	if errors.As(err, &mismatch) && mismatch.Type.Kind() >= reflect.Int && mismatch.Type.Kind() <= reflect.Uint64 {
		number, integer := new(big.Int).SetString(string(bytes.TrimSpace(raw)), 10)
		if integer && (number.IsInt64() || number.IsUint64()) {
			return unsupported(fmt.Sprintf("%sJuiceFS keeps it as %s, which cannot be %s", place, mismatch.Type, number))
		}
	}
	return bad("%s%v", place, err)
}
