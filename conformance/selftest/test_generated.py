"""Generated histories find what is wrong, tell it short, and refuse what they cannot do in one sentence."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from metaparity.conformance.generated.cells import missing, reachable, report
from metaparity.conformance.generated.draw import WORDS, Draw
from metaparity.conformance.generated.history import generate, opening
from metaparity.conformance.generated.lanes import Lane, lane
from metaparity.conformance.generated.rules import numbered_alike
from metaparity.conformance.generated.shrink import Shrinker
from metaparity.conformance.generated.steering import ANY, MODEL, TABLE, pins_of, steered
from metaparity.conformance.generated.vocabulary import offered
from metaparity.conformance.generated.world import Node, Step, World
from metaparity.conformance.harness.catalogue import catalogue
from metaparity.conformance.harness.deviations import LEDGER, Ledger
from metaparity.conformance.scenes.records import ACLS, LAYOUT
from metaparity.drivers.api import PRIMITIVES
from metaparity.drivers.engine.capabilities import BUILT
from metaparity.fixtures.provision import Place

from .bridge.programs import writer


@pytest.fixture
def model(place: Place) -> Iterator[Lane]:
    one = lane(MODEL, place)
    yield one
    one.close()


def metaparity(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "metaparity.conformance", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def test_words_draw_calls_of_the_protocol() -> None:
    assert set(offered(BUILT)) == set(WORDS)
    for name in WORDS:
        for method, params in WORDS[name][1](Draw(random.Random(1), World({}), "c1")):
            assert method.partition("@")[0] in {*PRIMITIVES, "session"}
            assert isinstance(params, dict)


def test_a_driver_without_a_capability_is_not_asked_for_it() -> None:
    assert "clone" not in offered(BUILT - {"clone"})
    assert "trashed" not in offered(BUILT - {"trash"})


def test_every_trigger_stands_for_a_pin() -> None:
    pinned = {(one.clause, one.driver) for one in Ledger.read(LEDGER).entries}
    for pin in TABLE:
        assert pin.clause in catalogue(), pin.clause
        assert pin.driver in (ANY, "model") or (pin.clause, pin.driver) in pinned, pin.clause


def test_a_step_that_a_pin_is_about_is_not_drawn() -> None:
    world = World({})
    params = {"src_parent": 1, "src_name": "a", "dst_parent": 1, "dst_name": ".."}
    pin = steered(world, "c1", "rename", params, pins_of(["redis", "juicefs?client-cache=true"]))
    assert pin is not None
    assert pin.clause == "rename/dot-names-are-no-targets"
    assert steered(world, "c1", "rename", params, pins_of(["redis", "rueidis"])) is None


@pytest.mark.parametrize(("name", "gone"), [(".", True), ("..", True), ("x", False)])
def test_a_node_without_names_is_there_again_when_a_name_leads_to_it(name: str, gone: bool) -> None:
    world = World({})
    world.nodes[5] = Node(5, 5, "file", gone=True)
    params = {"parent": 5 if gone else 1, "name": name}
    world.learn(Step(1, "c1", "lookup", params), params, {"ok": {"inode": 5, "attr": {}}})
    assert world.nodes[5].gone == gone


@pytest.mark.parametrize(
    ("umask", "preserve", "known"), [(0o022, False, True), (0, False, False), (0o022, True, False)]
)
@pytest.mark.parametrize(
    "node", [Node(5, 5, "file", acl=True), Node(5, 5, "symlink"), Node(5, 5, "directory")]
)
def test_copies_whose_mode_juicefs_masks_alone_are_not_drawn_for_it(
    node: Node, umask: int, preserve: bool, known: bool
) -> None:
    world = World({})
    world.nodes[5] = node
    params = {"src": 5, "dst_parent": 1, "dst_name": "copy", "umask": umask, "preserve": preserve}
    masked = ("clone/the-acl-of-a-copy-follows-its-mode", "clone/a-symbolic-link-keeps-its-mode")
    pins = [pin for pin in pins_of(["juicefs"]) if pin.clause in masked]
    assert (steered(world, "c1", "clone", params, pins) is not None) == known


def test_copies_are_not_drawn_where_the_server_lists_in_an_order_of_its_own() -> None:
    """Copies get their inodes as their sources are listed: where a name is long, two servers differ."""
    world = World({})
    for number, (parent, name, type) in enumerate(
        [
            (1, "above", "directory"),
            (2, "long", "directory"),
            (3, "n" * 65, "file"),
            (1, "short", "directory"),
            (5, "n" * 64, "file"),
        ]
    ):
        params = {"parent": parent, "name": name}
        made = {"inode": number + 2, "attr": {"type": type}}
        world.learn(Step(number, "c1", "mknod", params), params, {"ok": made})

    def drawn(inode: int) -> bool:
        params = {"src": world.nodes[inode].symbol, "dst_parent": 1, "dst_name": "copy"}
        return steered(world, "c1", "clone", params, pins_of(["redis", "rueidis"])) is None

    assert [inode for inode in (1, 2, 3, 4, 5, 6) if drawn(inode)] == [4, 5, 6]
    gone = {"parent": 3, "name": "n" * 65}
    world.learn(Step(5, "c1", "unlink", gone), gone, {"ok": {}})
    assert not drawn(3)


def test_names_are_known_in_one_order_however_they_are_listed() -> None:
    worlds = []
    for names in (["b", ".", "a", ".."], ["..", "a", "b", "."]):
        world = World({})
        listed = [{"name": name, "inode": 2 + ord(name[0])} for name in names]
        world.learn(Step(1, "c1", "readdir", {"inode": 1}), {"inode": 1}, {"ok": listed})
        worlds.append(world.entries())
    assert worlds[0] == worlds[1] == [(1, "a", 99), (1, "b", 100)]


def test_a_seed_draws_the_same_history(model: Lane) -> None:
    one, other = (generate([model], 7, 200, []) for _ in range(2))
    assert one.steps == other.steps
    assert one.disagreement is None
    assert len(one.steps) >= 200


def test_histories_reach_most_refusals_and_none_outside_the_matrix(model: Lane) -> None:
    cells = set()
    for seed in range(6):
        cells |= generate([model], seed, 1000, []).cells
    named = {cell for cell in cells if cell[1].startswith("E") and cell[0] in {one for one, _ in reachable()}}
    assert named <= reachable()
    assert len(missing(cells)) < 0.2 * len(reachable())
    assert report(reachable()) == [
        f"{len(reachable())} of {len(reachable())} reachable cells (primitive x errno) reached"
    ]


def test_rules_of_access_are_compared_by_what_they_say() -> None:
    def keys(rules: dict[bytes, bytes], access: int, default: int) -> dict[bytes, Any]:
        blob = LAYOUT.pack(0, 0x21FF, *[0] * 8, 2, 4096, 0, 1) + ACLS.pack(access, default) + b"\0"
        return {b"acl": ("hash", rules), b"aclMaxId": ("string", b"9"), b"i2": ("string", blob)}

    once = numbered_alike(keys({b"1": b"r", b"2": b"s"}, 1, 2))
    assert once == numbered_alike(keys({b"1": b"s", b"2": b"r", b"3": b"r", b"4": b"t"}, 3, 1))
    assert once != numbered_alike(keys({b"1": b"r", b"2": b"s"}, 2, 1))
    assert once != numbered_alike(keys({b"1": b"r", b"2": b"s"}, 1, 0))
    assert once != numbered_alike(keys({b"1": b"r"}, 1, 2))


def test_a_history_is_shrunk_to_what_matters() -> None:
    head = opening({}, {})
    steps = [
        Step(number, "c1", "mkdir", {"parent": 1, "name": str(number)}, number) for number in range(8, 108)
    ]
    wanted = {20, 77}

    def shows(made: Sequence[Step]) -> bool:
        return wanted <= {step.number for step in made}

    shrinker = Shrinker([*head, *steps], len(head), shows, lambda left, tries: None, 10)
    assert [step.number for step in shrinker.shrunk()[len(head) :]] == sorted(wanted)
    assert shrinker.tries < 100


def test_a_fault_is_found_shrunk_and_saved_as_a_trace_that_replays(tmp_path: Path) -> None:
    broken = "metaparity.conformance.museum.attributes:SUBDIRECTORIES_UNCOUNTED"
    server = ("--server", "embedded")
    found = metaparity(
        *("diff", "--driver", MODEL, "--driver", broken, "--seed", "1", "--steps", "100"),
        *(*server, "--out", str(tmp_path)),
    )
    assert found.returncode == 1, found.stdout + found.stderr
    assert "against the model" in found.stdout
    assert "--seed 1" in found.stdout
    (path,) = tmp_path.glob("*.json")
    assert len(json.loads(path.read_text())["steps"]) < 20
    assert metaparity("replay", str(path), "--driver", "redis", *server).returncode == 0
    assert metaparity("replay", str(path), "--driver", broken, *server).returncode == 1


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (("--driver", "redis"), 2, "redis alone disagrees with nobody"),
        (("--driver", "redis", "--driver", "nobody"), 2, "unknown driver 'nobody'"),
        (("--driver", "redis", "--driver", "rueidis", "--steps", "0"), 2, "at least one step"),
        (("--driver", "redis", "--driver", "rueidis", "--server", "local:/nowhere"), 3, "/nowhere"),
        (("--driver", "redis", "--driver", "rueidis", "--server", "somewhere"), 2, "names no kind of server"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(words: Sequence[str], code: int, sentence: str) -> None:
    refused = metaparity("diff", *words)
    assert refused.returncode == code, refused.stderr
    assert sentence in refused.stderr
    assert len(refused.stderr.splitlines()) == 1


def test_a_driver_that_crashes_is_told_by_name(tmp_path: Path) -> None:
    words = writer(tmp_path)("for id, method, params in calls():\n    os._exit(3)\n")
    found = metaparity(
        *("diff", "--driver", "redis", "--driver", f"cmd:{' '.join(words)}", "--steps", "50"),
        *("--seed", "1", "--server", "embedded", "--out", str(tmp_path)),
    )
    assert found.returncode == 1, found.stdout + found.stderr
    assert "the program ended with code 3" in found.stdout
    assert "against the others: fake-1" in found.stdout
    assert "Traceback" not in found.stderr
