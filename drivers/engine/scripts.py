"""Lookup and resolve on the server (S4.3)."""

from __future__ import annotations

import errno
import hashlib
import logging
import threading
from collections.abc import Iterable

from ..errors import error
from .database import Database
from .store import Argument, Command, Derive, Reply, ServerError

log = logging.getLogger(__name__)

DECODE_INODE = """
local function inode_of(entry)
  local high, low = 0, 0
  for i = 2, 5 do high = high * 256 + string.byte(entry, i) end
  for i = 6, 9 do low = low * 256 + string.byte(entry, i) end
  return high * 4294967296 + low
end
local MAX = 4503599627370495
"""

NUMBER = """
local function number(blob, first, last)
  local value = 0
  for i = first, last do value = value * 256 + string.byte(blob, i) end
  return value
end
"""

LOOKUP = (
    DECODE_INODE
    + """
local entry = redis.call('HGET', KEYS[1], KEYS[2])
local above = KEYS[3] and redis.call('GET', KEYS[3]) or false
if not entry then return {0, false, above} end
local inode = inode_of(entry)
if inode > MAX then return {err='ENOTSUP'} end
return {inode, redis.call('GET', 'i' .. string.format('%.0f', inode)), above}
"""
)
"""KEYS: the dentries of the parent, the name, and the attributes of the parent where they are asked for.

The reply is the inode, 0 where there is no such name, its attributes, and those of the parent.
"""

ABOVE = (
    NUMBER
    + """
local inode, found = tonumber(KEYS[1]), {}
for level = 1, 1000 do
  if inode <= 1 or inode > 4503599627370495 then break end
  local attr = redis.call('GET', 'i' .. string.format('%.0f', inode))
  if not attr or #attr < 71 then break end
  found[level] = attr
  inode = number(attr, 64, 67) * 4294967296 + number(attr, 68, 71)
end
return found
"""
)
"""KEYS: an inode.  The reply is its attributes and those of the directories above it, as far up as there are
any, without the root."""

RESOLVE = (
    DECODE_INODE
    + NUMBER
    + """
local uid = tonumber(KEYS[3])
local function may_search(attr)
  local mode = number(attr, 2, 3) % 4096
  local bits = mode % 8
  if uid == number(attr, 4, 7) then
    bits = math.floor(mode / 64) % 8
  else
    local group = number(attr, 8, 11)
    for _, gid in ipairs(ARGV) do
      if tonumber(gid) == group then bits = math.floor(mode / 8) % 8 break end
    end
  end
  return bits % 2 == 1
end
local inode, type = tonumber(KEYS[1]), 2
local attrs, entries = {}, {}
for name in string.gmatch(KEYS[2], '[^/]+') do
  if type == 3 or inode > MAX then return {err='ENOTSUP'} end
  if type ~= 2 then return {err='ENOTDIR'} end
  local key = string.format('%.0f', inode)
  local attr = false
  if inode > 1 and uid ~= 0 then
    attr = redis.call('GET', 'i' .. key)
    if not attr then return {err='ENOENT'} end
    if not may_search(attr) then return {err='EACCES'} end
  end
  local entry = redis.call('HGET', 'd' .. key, name)
  if not entry then return {err='ENOENT'} end
  attrs[#attrs + 1], entries[#entries + 1] = attr, entry
  type, inode = string.byte(entry, 1), inode_of(entry)
end
if inode > MAX then return {err='ENOTSUP'} end
return {inode, redis.call('GET', 'i' .. string.format('%.0f', inode)), attrs, entries}
"""
)
"""KEYS: the inode to start from, the path, the uid; ARGV: the gids.

What was read on the way comes last: for each name the attributes of the directory that it is in, where they
were asked for, and its entry.
"""

ADD_RULE = """
local id = redis.call('INCR', KEYS[1])
redis.call('HSETNX', KEYS[2], id, ARGV[1])
return id
"""
"""KEYS: the counter of ACL rules, the rules.  ARGV: an encoded rule.  The reply is its number."""

REFUSALS = {
    "ENOENT": errno.ENOENT,
    "EACCES": errno.EACCES,
    "ENOTDIR": errno.ENOTDIR,
    "ENOTSUP": errno.ENOTSUP,
}


def nothing(reply: Reply | ServerError) -> Iterable[tuple[Command, Reply]]:
    """A reply that tells of no other command."""
    return ()


class Scripts:
    """The scripts of one client; off until `load` has run, and for good after an unknown failure."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._digests: dict[str, str] = {}

    def load(self) -> None:
        """Put the scripts on the server; a server that refuses leaves them off (S7.2.1)."""
        try:
            for source in (LOOKUP, RESOLVE, ABOVE):
                self._load(source)
        except ServerError as refused:
            log.warning("server-side lookup is off: %s", refused)
            self._forget()

    def run(
        self, source: str, keys: list[Argument], arguments: list[Argument], derive: Derive = nothing
    ) -> Reply:
        """The reply of a script, which only reads; `derive` says what it tells of other commands.

        Raises ENOTSUP when scripts are off or the script cannot answer, and the errno that the script
        answers.  A script lost by the server is loaded again (S4.3.5).
        """
        for _ in range(2):
            digest = self._digests.get(source)
            if digest is None:
                break
            try:
                command = ("EVALSHA", digest, len(keys), *keys, *arguments)
                return self._database.store.run_script(command, derive)
            except ServerError as refused:
                text = str(refused)
                if "NOSCRIPT" in text:
                    self.load()
                    continue
                for name, number in REFUSALS.items():
                    if name in text:
                        raise error(number) from None
                log.warning("server-side lookup is off from now on: %s", refused)
                self._forget()
        raise error(errno.ENOTSUP)

    def _load(self, source: str) -> None:
        digest = self._database.read_one("SCRIPT", "LOAD", source).decode()
        if digest != hashlib.sha1(source.encode()).hexdigest():
            raise ServerError(f"SCRIPT LOAD answered {digest!r}, not the digest of the script")
        with self._lock:
            self._digests[source] = digest

    def _forget(self) -> None:
        with self._lock:
            self._digests.clear()
