"""JSON text read piece by piece: its structure here, each small value by the parser of the standard library.

So a file of any size takes little memory, and what is read is read in C.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator
from typing import Any, BinaryIO, NoReturn

from ..errors import Refused

CHUNK = 1 << 18
"""Bytes that are read at once."""

MOST = 1 << 24
"""Characters that one value may have; what is larger in a dump comes in pieces."""

PARTS = 1 << 20
"""Elements, members and texts that one value may have, together: each takes up to a hundred bytes."""

MARKS = '{["'
"""What they begin with; all but the first stand behind a comma, too."""

STEP = 1 << 19
"""Characters that are read on at once where a value has more: what follows it counts for it."""

MARGIN = 1 << 12
"""Characters that are kept ahead, so that a name and what is around it are seldom cut."""

MEMBER = re.compile(r'[ \t\n\r]*(,?)[ \t\n\r]*"([^"\\\x00-\x1f]*)"[ \t\n\r]*:[ \t\n\r]*')
SPACE = re.compile(r"[ \t\n\r]*")


class BadFile(Refused):
    """A file is not what it has to be; the text says what is wrong, and at which byte."""

    def __init__(self, what: str, offset: int) -> None:
        super().__init__(f"{what} at byte {offset}")
        self.what = what
        self.offset = offset


def _no_number(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no number")


DECODER = json.JSONDecoder(parse_constant=_no_number)


def size(text: str) -> int:
    """How many bytes a text has in UTF-8."""
    return len(text) if text.isascii() else len(text.encode())


class JsonText:
    """The text of a stream, from its begin on.  Every method raises `BadFile`."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._text = ""
        self._at = 0
        self._value_at = 0
        self._before = 0
        """Bytes of the text that is no longer kept."""
        self._known = 0, 0
        """A place in the text, and its offset in bytes, from which other offsets are counted."""
        self._ended = False

    @property
    def offset(self) -> int:
        """How many bytes have been taken."""
        at, offset = self._known
        self._known = self._at, offset + size(self._text[at : self._at])
        return self._known[1]

    def bad(self, what: str, offset: int | None = None) -> BadFile:
        """The error that something is wrong here, or at another offset in bytes."""
        return BadFile(what, self.offset if offset is None else offset)

    def bad_value(self, what: str) -> BadFile:
        """The error that the value taken last is wrong."""
        return BadFile(what, self._before + size(self._text[: self._value_at]))

    def take(self, character: str) -> None:
        """Take one character of the structure."""
        if not self.took(character):
            found = repr(self._text[self._at]) if self._at < len(self._text) else "the end of the file"
            raise self.bad(f"expected {character!r}, found {found}")

    def took(self, character: str) -> bool:
        """Take one character of the structure if it comes next; whether it did."""
        self._skip_space()
        found = self._text.startswith(character, self._at)
        self._at += found
        return found

    def member(self, first: bool) -> str | None:
        """The name of the next member of an object, whose value follows; None where the object ends."""
        self._want(MARGIN)
        found = MEMBER.match(self._text, self._at)
        if found and bool(found[1]) != first:
            self._at = found.end()
            return found[2]
        if self.took("}"):
            return None
        if not first:
            self.take(",")
        self._skip_space()
        if not self._text.startswith('"', self._at):
            raise self.bad("expected the name of a member")
        name = self.value()
        assert isinstance(name, str)
        self.take(":")
        return name

    def items(self) -> Iterator[Any]:
        """The elements of an array, one by one; none of null."""
        if self._null():
            return
        self.take("[")
        first = True
        while not self.took("]"):
            if not first:
                self.take(",")
            first = False
            yield self.value()

    def members(self) -> Iterator[tuple[str, Any]]:
        """The members of an object, one by one; none of null."""
        if self._null():
            return
        self.take("{")
        first = True
        while (name := self.member(first)) is not None:
            first = False
            yield name, self.value()

    def value(self, most: int = MOST) -> Any:
        """A whole value, of at most so many characters."""
        self._skip_space()
        while True:
            self._require_few_parts()
            try:
                value, end = DECODER.raw_decode(self._text, self._at)
                if end < len(self._text) or not self._more(most):
                    self._value_at, self._at = self._at, end
                    return value
            except json.JSONDecodeError as wrong:
                if not self._more(most):
                    raise self._unreadable(wrong) from None
            except (ValueError, RecursionError) as wrong:
                raise self.bad(f"a value cannot be read ({wrong})") from None

    def ahead(self, number: int) -> str:
        """The text behind white space, so many characters of it where the file has them; none is taken."""
        self._skip_space()
        self._want(number)
        return self._text[self._at : self._at + number]

    def skip(self, number: int) -> None:
        """Take so many characters of what `ahead` has returned."""
        self._at += number

    def end(self) -> None:
        """Nothing but white space is left."""
        self._skip_space()
        if self._at < len(self._text):
            raise self.bad("something follows the end of the dump")

    def _unreadable(self, wrong: json.JSONDecodeError) -> BadFile:
        if self._at == len(self._text):
            return self.bad("the file ends where a value is expected")
        if wrong.pos == len(self._text) or wrong.msg.startswith("Unterminated string"):
            return self.bad("the file ends in a value")
        where = self._before + size(self._text[: wrong.pos])
        return self.bad(f"this is no JSON ({wrong.msg})", where)

    def _null(self) -> bool:
        self._skip_space()
        self._want(4)
        found = self._text.startswith("null", self._at)
        self._at += 4 * found
        return found

    def _skip_space(self) -> None:
        if self._at < len(self._text) and self._text[self._at] > " ":
            return
        while True:
            found = SPACE.match(self._text, self._at)
            assert found is not None
            self._at = found.end()
            if self._at < len(self._text) or not self._fill(CHUNK):
                return

    def _want(self, number: int) -> None:
        """See to so many characters ahead, where the file has them."""
        while len(self._text) - self._at < number and self._fill(CHUNK):
            pass

    def _require_few_parts(self) -> None:
        """Raise `BadFile` before a value is read whose parts would take much more memory than its text."""
        text = self._text
        if len(text) - self._at <= PARTS:
            return
        if text.count(",", self._at) + sum(text.count(mark, self._at) for mark in MARKS) > PARTS:
            raise self.bad(f"a value of more than {PARTS} parts")

    def _more(self, most: int) -> bool:
        """Read on in a value that is not whole yet; False at the end of the file."""
        held = len(self._text) - self._at
        if held > most:
            raise self.bad(f"a value of more than {most} characters")
        # As much again as there is, up to a step, so that a long value is not parsed too often.
        return self._fill(max(CHUNK, min(held, STEP)))

    def _fill(self, number: int) -> bool:
        if self._ended:
            return False
        self._before = self.offset
        self._text = self._text[self._at :]
        self._known = 0, self._before
        self._at = 0
        read = self._before + size(self._text) + len(self._decoder.getstate()[0])
        try:
            data = self._stream.read(number)
        except (EOFError, OSError, ValueError) as failure:
            raise BadFile(f"the file cannot be read on ({failure})", read) from failure
        self._ended = not data
        if not read and data.startswith(b"\0"):
            raise BadFile("this is no JSON dump (a binary backup is for restore): no text", 0)
        try:
            self._text += self._decoder.decode(data, final=self._ended)
        except UnicodeDecodeError as wrong:
            raise BadFile("this is no UTF-8", read + wrong.start - len(self._decoder.getstate()[0])) from None
        return True
