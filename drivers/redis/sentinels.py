"""Where the master is, as its sentinels say: redis-py asks them, one after the other (S5.1.3)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from redis import ConnectionPool, Redis
from redis.exceptions import RedisError
from redis.sentinel import Sentinel

from ..engine.store import Disconnected
from ..errors import Refused
from ..url import Address, Place, place_text

Way = Callable[[Place], tuple[Any, dict[str, Any]]]
"""How connections to a place are made: redis-py's class, and its options."""


def text_of(failure: RedisError) -> str:
    """The text of a failure, with the word in front that redis-py takes off the server's errors."""
    return f"{failure.status_code or ''} {failure}".strip()


class Sentinels:
    """The sentinels of an address; the one that answered last is the first to be asked."""

    def __init__(self, address: Address, way: Way) -> None:
        self._address = address
        self._way = way
        self._places = address.sentinels
        rules: Any = Sentinel  # redis-py's constructors are not typed
        self._up = rules([]).check_master_state

    def master(self) -> Place:
        """Where the master is now.

        Raises `Refused` when every sentinel answers and none knows the name, and `Disconnected` when none
        that can be reached knows a master that is up.
        """
        name, strangers = self._address.master, 0
        reasons = []
        for place in self._places:
            try:
                masters = self._masters(place)
            except RedisError as failure:
                reason = text_of(failure)
            else:
                state = masters.get(name)
                if state is None:
                    strangers += 1
                    reason = f"knows {', '.join(sorted(masters)) or 'no master'}"
                elif not self._up(state, name):
                    reason = "holds it for down"
                else:
                    self._places = (place, *[one for one in self._places if one != place])
                    return state["ip"], state["port"]
            reasons.append(f"{place_text(place)}: {reason}")
        told = "; ".join(reasons)
        if strangers == len(reasons):
            raise Refused(f"no sentinel knows a master named {name!r}: use a name that one knows ({told})")
        raise Disconnected(f"no sentinel names a master {name!r} that is up ({told})")

    def _masters(self, place: Place) -> dict[str, dict[str, Any]]:
        """What a sentinel says of every master it watches, by name."""
        kind, options = self._way(place)
        pool = ConnectionPool(
            connection_class=kind,
            username=self._address.sentinel_username,
            password=self._address.sentinel_password,
            protocol=2,  # a sentinel older than 6.2 knows no HELLO
            **options,
        )
        with Redis.from_pool(pool) as client:
            masters: dict[str, dict[str, Any]] = client.sentinel_masters()
            return masters
