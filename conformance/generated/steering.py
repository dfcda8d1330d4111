"""Known deviations that generated histories are steered around: each trigger stands for a pin of the ledger.

What a driver is known to do otherwise is never ignored when it is seen: the step that would show it is not
drawn while that driver takes part.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from metaparity.drivers.types import TRASH_INODE

from ..harness.deviations import COPIED, COPYING, names_in
from .world import PLACES, Json, Node, World, key

CLIENTS = ("c1", "c2")
"""The clients of a history."""
MODEL = "metaparity.conformance.model:DRIVER"
"""The spec in plain Python."""


ANY = "*"
"""Every driver: where the rule itself leaves open what another client sees."""


@dataclass(frozen=True)
class About:
    """A call that was drawn, before it is made."""

    world: World
    client: str
    method: str
    params: dict[str, Json]

    def node(self, name: str) -> Node | None:
        """The node that a parameter names."""
        return self.world.named(self.params.get(name))

    def at(self, parent: str, name: str) -> Node | None:
        """The node at a place that two parameters name."""
        directory = self.node(parent)
        return None if directory is None else self.world.at(directory.inode, self.params[name])

    def left(self, node: Node) -> bool:
        """Whether a node has lost its place: it is gone, or in the trash."""
        return node.gone or node.inode in self.world.trashed

    @property
    def flags(self) -> list[str]:
        return list(self.params.get("flags") or ())


Trigger = Callable[[About], bool]


@dataclass(frozen=True)
class Pin:
    """A trigger, with the clause and the driver of the entry of the ledger that it stands for."""

    clause: str
    driver: str
    trigger: Trigger
    methods: frozenset[str]


TABLE: list[Pin] = []


def steer(clause: str, *methods: str, driver: str = "juicefs") -> Callable[[Trigger], Trigger]:
    """Keep calls of these methods that the trigger finds out of histories in which the driver takes part."""

    def take(trigger: Trigger) -> Trigger:
        TABLE.append(Pin(clause, driver, trigger, frozenset(methods)))
        return trigger

    return take


def pins_of(drivers: Iterable[str]) -> list[Pin]:
    """The pins that concern these drivers; a driver with parameters or of a version is its driver still, one
    that copies JuiceFS's defects has its pins, too, and a pair is both of its drivers."""
    each = list(drivers)
    names = {"model" if one == MODEL else one for name in each for one in names_in(name)}
    if any(COPYING in one for one in each):
        names.add(COPIED)
    return [pin for pin in TABLE if pin.driver in {*names, ANY}]


def steered(
    world: World, client: str, method: str, params: dict[str, Json], pins: Sequence[Pin]
) -> Pin | None:
    """The pin that a call would run into."""
    name = method.partition("@")[0]
    about = About(world, client, name, params)
    return next((pin for pin in pins if name in pin.methods and pin.trigger(about)), None)


ENDS = PLACES[1:]
"""The parameters of a rename that name a place."""


@steer("rename/a-replaced-directory-leaves-nothing", "rename")
def replaces_a_directory(about: About) -> bool:
    """Q5: a directory that a rename replaces leaves its statistics."""
    target = about.at("dst_parent", "dst_name")
    known = target is not None or not _taken(about, "dst_parent", "dst_name")
    return (not known or (target is not None and target.type == "directory")) and not about.flags


def _taken(about: About, parent: str, name: str) -> bool:
    directory = about.node(parent)
    return directory is not None and key(about.params[name]) in about.world.names.get(directory.inode, {})


@steer("rename/two-names-of-one-node-stay", "rename")
def renames_onto_itself(about: About) -> bool:
    """Q1: a rename between two names of one node moves the statistics of its directories."""
    source, target = about.at("src_parent", "src_name"), about.at("dst_parent", "dst_name")
    return source is not None and source is target


@steer("rename/nothing-is-exchanged-with-its-ancestor", "rename")
def makes_a_cycle(about: About) -> bool:
    """Q2: only one level above its target is looked at."""
    source, target = about.at("src_parent", "src_name"), about.at("dst_parent", "dst_name")
    into, out = about.node("dst_parent"), about.node("src_parent")
    world = about.world
    unknown = [one for one in ENDS if about.at(*one) is None and _taken(about, *one)]
    if unknown and (into is not out or into is None):
        return True
    if source is not None and into is not None and source.inode in world.above(into.inode):
        return True
    return target is not None and out is not None and target.inode in world.above(out.inode)


@steer("rename/dot-names-are-no-targets", "rename")
def renames_to_dots(about: About) -> bool:
    """Q4: a rename makes entries that are called . and .."""
    return any(about.params[name] in (".", "..") for name in ("src_name", "dst_name"))


@steer("refusal/dot-names-are-no-entries", "remove")
def removes_dots(about: About) -> bool:
    """N31.4: a directory is emptied by the name ., and only then refused."""
    return about.params["name"] in (".", "..")


@steer("clone/needs-a-name-that-can-be-reached", "clone")
def clones_to_odd_names(about: About) -> bool:
    """Q4: a copy may get the names . and .., and names with / and NUL."""
    name = about.params["dst_name"]
    return isinstance(name, str) and (name in ("", ".", "..") or "/" in name or "\0" in name)


@steer("clone/counts-contents-of-files-only", "clone")
def clones_what_is_no_file(about: About) -> bool:
    """Q12, Q16, Q18, Q19: what a copy of anything but a file counts, and leaves out."""
    source = about.node("src")
    return source is None or source.type != "file"


@steer("clone/copies-a-tree", "clone", driver=ANY)
def clones_what_the_server_has_ordered(about: About) -> bool:
    """Copies get their inodes as their sources are listed, which each server does in an order of its own."""
    source = about.node("src")
    return source is not None and not about.world.scattered.isdisjoint(about.world.below(source.inode))


@steer("clone/a-copy-of-what-has-no-name-has-one", "clone")
def clones_what_has_no_name(about: About) -> bool:
    """A copy of a file that is open without a name counts no name either."""
    source = about.node("src")
    if source is None or not source.gone:
        return False
    return any(about.world.open[client, source.inode] > 0 for client in CLIENTS)


@steer("clone/the-acl-of-a-copy-follows-its-mode", "clone")
def masks_the_copy_of_a_ruled_node(about: About) -> bool:
    """The umask is taken from the mode of a copy, and not from its ACL."""
    source = about.node("src")
    return _masked(about) and (source is None or source.acl or source.type == "directory")


@steer("clone/a-symbolic-link-keeps-its-mode", "clone")
def masks_the_copy_of_a_symlink(about: About) -> bool:
    """The umask is taken from the mode of a symbolic link."""
    source = about.node("src")
    return _masked(about) and (source is None or source.type in ("symlink", "directory"))


def _masked(about: About) -> bool:
    return bool(about.params["umask"]) and not about.params["preserve"]


@steer("clone/is-charged-to-the-owner-of-the-copy", "clone")
def clones_for_another_owner(about: About) -> bool:
    """Q17: a copy is charged to the owner of its source."""
    source = about.node("src")
    caller = about.params.get("ctx") or {"uid": 0, "gids": [0]}
    if source is None or about.params.get("preserve") or not about.world.settings.get("UserGroupQuota"):
        return False
    return (source.uid, source.gid) != (caller["uid"], caller["gids"][0])


@steer("link/adds-a-name-to-any-other-node", "link")
def links_a_symlink(about: About) -> bool:
    """Q12: a new name of a symlink counts the length of its target."""
    node = about.node("inode")
    return node is None or node.type == "symlink"


@steer("link/a-node-without-names-gets-none", "link")
def links_what_has_no_name(about: About) -> bool:
    """Q13: a file without names that is still open gets a new name."""
    node = about.node("inode")
    return node is None or node.gone


GROWING = ("write", "truncate", "fallocate", "copy_file_range")


@steer("quota/a-file-without-names-counts-for-its-owner-only", *GROWING)
def grows_without_a_name(about: About) -> bool:
    """Q14, Q15: what grows without a name, or in the trash, is counted where it was."""
    node = about.node("dst" if about.method == "copy_file_range" else "inode")
    return node is not None and node.inode < TRASH_INODE and about.left(node)


@steer("trash/the-same-entry-is-filed-once", "rename")
def replaces_a_linked_node(about: About) -> bool:
    """Q6: a rename does not look whether the trash has the entry of the replaced name already."""
    target = about.at("dst_parent", "dst_name")
    return target is not None and about.world.trash and len(about.world.links(target.inode)) > 1


@steer("quota/usage-follows-the-table", "setattr")
def chowns_what_is_no_file(about: About) -> bool:
    """Q7: a symbolic link or special file that changes hands stays with its old owner."""
    node = about.node("inode")
    changes = {"uid", "gid"} & set(about.params["set"])
    return bool(changes) and (node is None or node.type not in ("file", "directory"))


@steer("acl/does-not-give-the-mode-away", "setattr", "check_setattr")
def chmods_by_acl(about: About) -> bool:
    """Q10: anyone may change the mode of a node that has an access ACL."""
    node = about.node("inode")
    return "mode" in about.params["set"] and "ctx" in about.params and (node is None or node.acl)


@steer("acl/what-changes-nothing-stamps-nothing", "acl_set", driver="model")
def sets_the_acl_of_another_client(about: About) -> bool:
    """A client that has not seen a rule stores it once more, under a number of its own: a change (N29.2)."""
    node = about.node("inode")
    if node is None:
        return True
    client, rule = about.world.rules.get((node.inode, about.params["type"]), (about.client, None))
    return client != about.client and rule == about.params["rule"]


@steer("quota/group-zero-stops-nobody-else", "quota_set")
def limits_group_zero(about: About) -> bool:
    """Q8: a new node is refused where group 0 has nothing left."""
    return (about.params["type"], about.params["key"]) == ("group", 0)


@steer("quota/owners-pay-for-their-trash", "init", "quota_set")
def counts_owners_of_trash(about: About) -> bool:
    """Q24: an hour directory is not counted when it is made."""
    settings = {**about.world.settings, **about.params.get("format", {})}
    counted = settings.get("UserGroupQuota") or about.params.get("type") in ("user", "group")
    return bool(counted and settings.get("TrashDays"))


@steer("quota/a-tree-with-its-own-quota-moves-as-counted", "rename")
def moves_directories_twice(about: About) -> bool:
    """What a client remembers of two moves may be a ring, in which it looks for quotas for ever."""
    if not about.world.moved or about.params["src_parent"] == about.params["dst_parent"]:
        return False
    nodes = [about.at(*one) for one in ENDS]
    return any(node is None or node.type == "directory" for node in nodes)


MAKING = ("mknod", "mkdir", "create", "symlink", "link", "clone", "rename")


@steer("quota/lookup-and-getattr-correct-the-way-up", *MAKING, driver=ANY)
def makes_below_no_directory(about: About) -> bool:
    """A client remembers where one was that is gone, in the trash or has more names: it asks the quotas there
    first."""
    parent = about.node("parent" if "parent" in about.params else "dst_parent")
    limited = any(type == "dir" for type, _ in about.world.limited)
    return limited and parent is not None and (about.left(parent) or parent.type != "directory")


@steer("quota/a-scan-counts-every-node-of-its-owner", "quota_check")
def scans_owners(about: About) -> bool:
    """Q7: a scan counts files and directories only."""
    return about.params["type"] in ("user", "group")


@steer("quota/a-tree-with-its-own-quota-moves-as-counted", "rename", "quota_set", driver=ANY)
def moves_directories_under_quotas(about: About) -> bool:
    """A client remembers in which directory one was, and charges the quotas above that."""
    if about.method == "quota_set":
        return about.params["type"] == "dir" and about.world.moved
    if not any(type == "dir" for type, _ in about.world.limited):
        return False
    nodes = [about.at(*one) for one in ENDS if _taken(about, *one)]
    return any(node is None or node.type == "directory" for node in nodes)


@steer("quota/a-deleted-one-does-not-come-back", "remove", "rmdir")
def removes_what_has_a_quota(about: About) -> bool:
    """Q20: what is pending for a quota creates its record again."""
    return any(type == "dir" for type, _ in about.world.limited)


@steer("quota/the-trash-is-nobodys-directory", "init", "quota_set")
def limits_directories_and_keeps_trash(about: About) -> bool:
    """Q15, Q30: what is in the trash is charged to a quota of the root, and credited twice."""
    settings = {**about.world.settings, **about.params.get("format", {})}
    limited = about.params.get("type") == "dir" or any(type == "dir" for type, _ in about.world.limited)
    return bool(limited and settings.get("TrashDays"))


@steer("quota/a-closed-session-gives-back-what-it-kept-open", "session")
def closes_with_open_files(about: About) -> bool:
    """What is deleted when a session ends is not given back to its owner."""
    return any(count > 0 for (client, _), count in about.world.open.items() if client == about.client)


@steer("resolve/answers-what-the-node-has", "resolve", "lookup")
def walks_by_an_acl(about: About) -> bool:
    """The ACL of one node on the way is answered for the next, which has none."""
    return bool(about.world.rules) and (about.method == "resolve" or about.params["name"] == "..")


@steer("flock/the-session-knows-of-a-shared-lock", "flock")
def shares_a_lock(about: About) -> bool:
    """Q31: a shared lock is not in the index of its session."""
    return bool(about.params["type"] == "R")


@steer("readdir/the-session-root-has-nothing-above", "opendir")
def opens_what_is_in_several_directories(about: About) -> bool:
    """Inode 0, which stands above a node with several names, is taken for the root."""
    node = about.node("inode")
    return bool(about.params.get("plus")) and (node is None or node.type != "directory")


@steer("plock/an-unknown-type-is-invalid", "flock", "setlk")
def locks_in_an_unknown_way(about: About) -> bool:
    """A lock of an unknown type is granted (L1.9, L2.12)."""
    return about.params["type"] not in ("R", "W", "U")


@steer("plock/a-range-does-not-end-before-it-starts", "setlk", "getlk")
def locks_backwards(about: About) -> bool:
    """A range that ends before it starts is granted, and looked for."""
    return bool(about.params["end"] < about.params["start"])


@steer("batch-unlink/what-went-counts-though-more-was-refused", "batch_unlink")
def unlinks_in_what_is_gone(about: About) -> bool:
    """A refused batch counts, too: a directory that is gone gets statistics."""
    parent = about.node("parent")
    return parent is None or parent.gone


@steer("plock/the-session-forgets-with-its-last-owner", "flock", "setlk")
def locks_what_another_locks(about: About) -> bool:
    """Q32: a session remembers a lock for as long as another session has one there."""
    node = about.node("inode")
    return node is not None and bool(about.world.lockers.get(node.inode, set()) - {about.client})


@steer("handle/beyond-the-end-there-is-nothing", "dir_list")
def lists_beyond_the_end(about: About) -> bool:
    """Q28: listing from beyond the end crashes the process."""
    return bool(about.params.get("offset"))
