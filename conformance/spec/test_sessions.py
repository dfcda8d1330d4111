"""Registration, expiry and cleanup of clients (N2, L3)."""

from __future__ import annotations

import json
import re
import time
from concurrent.futures import ThreadPoolExecutor
from errno import ENOENT

import pytest

from metaparity.conformance.clause import clause
from metaparity.conformance.scenes.sessions import expire, nameless, sids
from metaparity.conformance.verbs import refuses, soon, unchanged
from metaparity.drivers.errors import Refused
from metaparity.fixtures.faults import Proxy, command
from metaparity.fixtures.volumes import Volume

YEAR = 365 * 24 * 3600
BASE = ["Version", "HostName", "MountPoint", "MountTime", "ProcessID"]
RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)")


def info_on_server(volume: Volume, sid: int) -> dict[str, object]:
    found: dict[str, object] = json.loads(volume.raw.hget("sessionInfos", sid))
    return found


# -- registration ----------------------------------------------------------------------------------


@clause("session/ids-count-from-one", source="N2.1 L3.1 K2", needs="session", clients=2)
def test_ids(volume: Volume) -> None:
    """Recorded sessions are numbered from 1, and no number comes twice."""
    first, second = volume.fs, volume.open()
    assert sids(first) == [1, 2]
    second.session_close()
    volume.open()
    assert sids(first) == [1, 3]
    assert volume.raw.get("nextsession") == b"3"


@pytest.mark.parametrize("config", [{"record": False}, {"read_only": True}], ids=["unrecorded", "read-only"])
@clause("session/some-clients-are-not-recorded", source="N2.1 L3.2 T46", needs="session")
def test_not_recorded(volume: Volume, config: dict[str, bool]) -> None:
    """A client that asks for no record, or is read-only, gets session 0 and leaves no trace."""
    volume.format()
    client = volume.connect(read_only=config.get("read_only", False))
    client.load()
    with unchanged(volume):
        assert client.session_new(config.get("record", True)) == 0
        client.session_refresh()
        client.session_close()


@clause("session/a-second-registration-keeps-the-id", source="L3.2 S7.2.3", needs="session")
def test_again(volume: Volume) -> None:
    """A client that registers again, here after its session was lost, has the session it had."""
    assert volume.fs.session_new(True) == 1
    assert sids(volume.fs) == [1]
    volume.raw.delete("allSessions", "sessionInfos")
    assert volume.fs.session_new(True) == 1
    assert sids(volume.fs) == [1]
    assert volume.raw.get("nextsession") == b"1"


@clause("session/says-who-it-is", source="L3.3 S2.12", needs="session", clients=2)
def test_info(volume: Volume) -> None:
    """A session is stored as JSON with version, host, mount and process, in that order."""
    volume.open()
    found = info_on_server(volume, 1)
    assert list(found) in (BASE, [*BASE[:2], "IPAddrs", *BASE[2:]])
    assert found.get("IPAddrs") != []
    mount_time, pid = found["MountTime"], found["ProcessID"]
    assert isinstance(mount_time, str)
    assert RFC3339.fullmatch(mount_time)
    assert isinstance(pid, int)
    assert pid > 0
    info = volume.fs.session_get(1).info
    assert (info.version, info.host, info.mount_time, info.pid) == (
        *(found["Version"], found["HostName"], mount_time, pid),
    )


@pytest.mark.parametrize(
    ("heartbeat", "life"), [(12.0, 60), (600.0, 3000), (0.1, 5), (3600.0, 3000), (0.0, YEAR)]
)
@clause("session/lives-five-heartbeats", source="L3.4 S7.2.2", needs="session", clients=2)
def test_life(volume: Volume, heartbeat: float, life: int) -> None:
    """A session expires five heartbeats from now, of 1 to 600 seconds each, or in a year without any."""
    assert sids(volume.fs) == [1]
    start = int(time.time())
    client = volume.open(heartbeat=heartbeat)
    end = time.time() + 1
    assert start + life <= client.session_get(2).expire <= end + life
    assert start + life <= volume.raw.zscore("allSessions", 2) <= end + life


# -- refresh ---------------------------------------------------------------------------------------


@clause("session/a-refresh-postpones-the-expiry", source="L3.5", needs="session")
def test_refresh(volume: Volume) -> None:
    """A refresh sets the expiry five heartbeats ahead, and leaves what the session says of itself."""
    fs = volume.fs
    info = volume.raw.hget("sessionInfos", fs.session_get(1).sid)
    expire(volume, 1)
    start = int(time.time())
    fs.session_refresh()
    assert start + 3000 <= fs.session_get(1).expire <= time.time() + 3001
    assert volume.raw.hget("sessionInfos", 1) == info


@clause("session/a-refresh-revives-a-cleaned-session", source="L3.5 S7.2.4", needs="session", clients=2)
def test_revived(volume: Volume) -> None:
    """A session that others have cleaned is registered again by its refresh, without what it held."""
    fs, sleeper = volume.fs, volume.open()
    inode = nameless(volume, sleeper)
    expire(volume, 2)
    fs.session_cleanup()
    assert sids(fs) == [1]
    sleeper.session_refresh()
    assert sids(fs) == [1, 2]
    assert info_on_server(volume, 2)["Version"]
    assert fs.session_get(2, True).sustained == []
    refuses(ENOENT, sleeper.getattr, inode)


@clause("session/a-lost-description-comes-back", source="L3.5", needs="session")
def test_lost_info(volume: Volume) -> None:
    """A refresh stores anew what the session says of itself where that is gone."""
    fs = volume.fs
    assert fs.session_get(1).info.version
    volume.raw.hdel("sessionInfos", 1)
    info = fs.session_get(1).info
    assert (info.version, info.host, info.pid) == ("", "", 0)
    fs.session_refresh()
    assert fs.session_get(1).info.version


@clause("session/a-revived-one-says-what-it-said", source="L3.5", needs="session")
def test_said(volume: Volume) -> None:
    """What a session says of itself is the same when a refresh stores it anew: it began when it began."""
    said = volume.raw.hget("sessionInfos", volume.fs.session_get(1).sid)
    volume.raw.hdel("sessionInfos", 1)
    time.sleep(0.01)  # some servers of mounts tell times apart by milliseconds
    volume.fs.session_refresh()
    assert volume.raw.hget("sessionInfos", 1) == said


@clause("session/refreshes-are-not-in-each-others-way", source="L3.5 S4.1", needs="session")
def test_refreshes(volume: Volume, network: Proxy) -> None:
    """A refresh that another session's overtakes is asked for once: no client holds up another."""
    fs = volume.fs
    begun = len(network.record())
    held = network.trap(command("ZADD"))
    with ThreadPoolExecutor(1) as thread:
        refreshed = thread.submit(fs.session_refresh)
        held.wait()
        volume.raw.zadd("allSessions", {"7": time.time() + 600})
        volume.raw.hset("sessionInfos", "7", "{}")
        held.release()
        refreshed.result(timeout=10)
    assert [one.name for one in network.asked(begun)].count(b"ZADD") == 1


# -- looking ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("detail", [False, True])
@pytest.mark.parametrize("sid", [0, 2, 10**6])
@clause("session/an-unknown-one-is-refused", source="L3.11", needs="session")
def test_unknown(volume: Volume, sid: int, detail: bool) -> None:
    """A session that is not registered is refused in words."""
    assert sids(volume.fs) == [1]
    with pytest.raises(Refused):
        volume.fs.session_get(sid, detail)


@clause("session/shows-its-nameless-files-in-detail", source="L3.10 L3.11", needs="session", clients=2)
def test_detail(volume: Volume) -> None:
    """With detail a session shows the files that it keeps alive, without it none; others show theirs."""
    fs, other = volume.fs, volume.open()
    kept = {nameless(volume, other, "a"), nameless(volume, other, "b")}
    mine = nameless(volume, fs, "c")
    assert set(fs.session_get(2, True).sustained) == kept
    assert fs.session_get(1, True).sustained == [mine]
    assert fs.session_get(2).sustained == []
    assert [session.sustained for session in fs.session_list()] == [[], []]


@clause(
    "session/an-unreadable-description-is-refused-and-not-listed",
    source="L3.11 L3.12 L3.13",
    needs="session",
    clients=2,
)
def test_corrupt_info(volume: Volume) -> None:
    """A session whose description is not JSON is refused in words, and left out of the list."""
    fs = volume.fs
    volume.open()
    volume.raw.hset("sessionInfos", 2, "{no json")
    with pytest.raises(Refused):
        fs.session_get(2)
    assert sids(fs) == [1]


@clause("session/unknown-fields-are-ignored", source="L3.14", needs="session")
def test_foreign_info(volume: Volume) -> None:
    """A session of another engine may say more or less than ours."""
    fs = volume.fs
    assert sids(fs) == [1]
    volume.raw.zadd("allSessions", {7: 4_000_000_000})
    volume.raw.hset("sessionInfos", 7, '{"Version":"9.9","Mood":["fine"],"ProcessID":42}')
    session = fs.session_get(7)
    assert session.expire == 4_000_000_000
    assert (session.info.version, session.info.host, session.info.pid) == ("9.9", "", 42)


@clause("session/the-list-goes-by-expiry", source="L3.12", needs="session", clients=2)
def test_order(volume: Volume) -> None:
    """Sessions are listed by the time of their expiry, those of very old clients last."""
    for _ in range(2):
        volume.open()
    assert sids(volume.fs) == [1, 2, 3]
    volume.raw.zadd("allSessions", {1: 4_000_000_000, 2: 1, 3: 5_000_000_000, 4: 4_500_000_000})
    volume.raw.zadd("sessions", {9: 100})
    assert sids(volume.fs) == [2, 1, 4, 3, 9]


@clause("session/very-old-clients-expire-after-five-minutes", source="L3.7 L3.11 L3.12 S1.5", needs="session")
def test_legacy(volume: Volume) -> None:
    """A session recorded by its last heartbeat, as very old clients do, expires 300 seconds after it."""
    fs, now = volume.fs, int(time.time())
    assert sids(fs) == [1]
    volume.raw.zadd("sessions", {8: now - 301, 9: now - 200})
    assert fs.session_get(9).expire == now + 100
    fs.session_cleanup()
    assert sids(fs) == [1, 9]


# -- cleanup ---------------------------------------------------------------------------------------


@clause("cleanup/takes-expired-sessions-only", source="L3.7 L3.8", needs="session", clients=2)
def test_expired_only(volume: Volume) -> None:
    """Sessions whose expiry is not after now go, from both records; the others stay."""
    fs = volume.fs
    for _ in range(3):
        volume.open()
    now = int(time.time())
    volume.raw.zadd("allSessions", {2: now, 3: 1, 4: now + 100})
    fs.session_cleanup()
    assert sids(fs) == [4, 1]
    assert sorted(volume.raw.hkeys("sessionInfos")) == [b"1", b"4"]


@clause("cleanup/asks-for-expiries-from-either-end", source="L3.7", needs="session")
def test_both_ends(volume: Volume, network: Proxy) -> None:
    """Expired sessions are asked for with the lowest expiry and the highest: some servers refuse a range that
    lacks an end."""
    fs, begun = volume.fs, len(network.record())
    fs.session_cleanup()
    ranges = [one.command for one in network.asked(begun) if one.name == b"ZRANGEBYSCORE"]
    assert ranges
    assert {one[2] for one in ranges} == {b"-inf"}
    assert all(abs(float(one[3]) - time.time()) < 400 for one in ranges)


@clause("cleanup/is-made-by-one-client-in-a-period", source="L3.6 S7.6", needs="session", clients=2)
def test_election(volume: Volume) -> None:
    """A client that beats cleans expired sessions, unless another client did within nine tenths of a
    heartbeat; when it did it writes down."""
    fs, far = volume.fs, int(time.time()) + 1000
    volume.raw.set("lastCleanupSessions", far)
    volume.raw.zadd("allSessions", {99: 1})
    volume.open(no_bg_jobs=False, heartbeat=1.0)
    beaten = volume.raw.zscore("allSessions", 2)
    assert soon(lambda: volume.raw.zscore("allSessions", 2) > beaten)
    assert 99 in sids(fs)
    assert int(volume.raw.get("lastCleanupSessions")) == far
    volume.raw.set("lastCleanupSessions", 1)
    began = int(time.time())
    assert soon(lambda: volume.raw.zscore("allSessions", 99) is None)
    assert began <= int(volume.raw.get("lastCleanupSessions")) <= time.time()


@clause("cleanup/takes-the-own-session-too", source="L3.7", needs="session", clients=2)
def test_own(volume: Volume) -> None:
    """A client whose own session has expired cleans that as well."""
    fs, other = volume.fs, volume.open()
    expire(volume, 1)
    fs.session_cleanup()
    assert sids(other) == [2]


@clause("cleanup/without-expired-sessions-changes-nothing", source="L3.7", needs="session", clients=2)
def test_nothing_expired(volume: Volume) -> None:
    """Where no session has expired nothing is changed, least of all what sessions hold."""
    fs, other = volume.fs, volume.open()
    nameless(volume, other)
    with unchanged(volume):
        fs.session_cleanup()


@clause(
    "cleanup/deletes-what-an-expired-session-kept-alive", source="L3.8 L3.9 N20.8", needs="session", clients=2
)
def test_sustained(volume: Volume) -> None:
    """Files that an expired session kept alive are deleted and no longer counted; those of others stay."""
    fs, other, third = volume.fs, volume.open(), volume.open()
    gone = [nameless(volume, other, name) for name in ("a", "b")]
    kept = nameless(volume, third, "c")
    used = fs.statfs(1)
    expire(volume, 2)
    fs.session_cleanup()
    for inode in gone:
        refuses(ENOENT, fs.getattr, inode)
    assert fs.getattr(kept).nlink == 0
    left = fs.statfs(1)
    assert (left.avail - used.avail, used.iused - left.iused) == (2 * 8192, 2)
    fs.settle()
    assert not volume.raw.exists("delfiles", "session2")
    assert fs.session_get(3, True).sustained == [kept]


@clause("cleanup/a-lost-file-does-not-hold-a-session", source="L3.8 L3.9", needs="session", clients=2)
def test_lost_file(volume: Volume) -> None:
    """A session goes even where a file that it kept alive is gone already; no counter changes."""
    fs, other = volume.fs, volume.open()
    inode = nameless(volume, other)
    volume.raw.delete(b"i%d" % inode)
    used = fs.statfs(1)
    expire(volume, 2)
    fs.session_cleanup()
    assert sids(fs) == [1]
    assert fs.statfs(1) == used


@clause("cleanup/a-failure-leaves-the-session-for-later", source="L3.8", needs="session", clients=2)
def test_failure(volume: Volume) -> None:
    """Where a file cannot be deleted, here for its record is a list, the session stays until it can."""
    fs, other = volume.fs, volume.open()
    inode = nameless(volume, other)
    key = b"i%d" % inode
    record = volume.raw.get(key)
    volume.raw.delete(key)
    volume.raw.rpush(key, "no record")
    expire(volume, 2)
    fs.session_cleanup()
    assert 2 in sids(fs)
    assert volume.raw.smembers("session2") == {b"%d" % inode}
    volume.raw.delete(key)
    volume.raw.set(key, record)
    fs.session_cleanup()
    assert sids(fs) == [1]
    refuses(ENOENT, fs.getattr, inode)


@clause("cleanup/one-failure-does-not-hold-the-others", source="L3.8", needs="session", clients=2)
def test_failure_beside(volume: Volume) -> None:
    """An expired session is cleaned although another, that comes before it, cannot be."""
    fs, broken = volume.fs, volume.open()
    inode = nameless(volume, broken)
    volume.open()
    volume.raw.delete(b"i%d" % inode)
    volume.raw.rpush(b"i%d" % inode, "no record")
    volume.raw.zadd("allSessions", {2: 1, 3: 2})
    fs.session_cleanup()
    assert sids(fs) == [2, 1]


# -- close -----------------------------------------------------------------------------------------


@clause("session/a-closed-one-is-gone", source="N2.3 L3.15 L3.16 T48", needs="session", clients=2)
def test_close(volume: Volume) -> None:
    """Closing a session deletes what it kept alive and its record; sessions of others stay as they are."""
    fs, other = volume.fs, volume.open()
    mine, theirs = nameless(volume, fs, "a"), nameless(volume, other, "b")
    other.session_close()
    refuses(ENOENT, fs.getattr, theirs)
    assert fs.getattr(mine).nlink == 0
    assert sids(fs) == [1]
    assert volume.raw.hkeys("sessionInfos") == [b"1"]
    assert not volume.raw.exists("session2")
    for detail in (False, True):
        with pytest.raises(Refused):
            fs.session_get(2, detail)
    assert fs.statfs(1).iused == 1


@clause("session/a-close-brings-what-was-held-back", source="N2.3 L3.15", needs="dirstat", clients=2)
def test_close_flushes(volume: Volume) -> None:
    """Statistics that a client holds back are on the server when its session is closed."""
    client, d = volume.open(), volume.dir("d")
    client.create(d, b"x", 0o644)
    assert volume.raw.hget("dirUsedInodes", d) == b"0"
    client.session_close()
    assert volume.raw.hget("dirUsedInodes", d) == b"1"


@clause("session/a-crashed-client-stays-registered", source="N2.3 L7.5", needs="session", clients=2)
def test_crash(volume: Volume) -> None:
    """A client that is let go of without closing its session leaves that and its nameless files behind."""
    fs, other = volume.fs, volume.open()
    inode = nameless(volume, other)
    with unchanged(volume):
        volume.clients[-1].close()
    assert sids(fs) == [1, 2]
    assert fs.session_get(2, True).sustained == [inode]
