"""What generated clauses draw from."""

from __future__ import annotations

from hypothesis import strategies as st

from metaparity.drivers.types import Context, FileType

types = st.sampled_from(FileType)
modes = st.integers(0, 0o7777)

ids = st.sampled_from([0, 7, 8, 9, 2**32 - 1])
"""Users and groups, few enough to meet."""

contexts = st.builds(
    Context,
    uid=ids,
    gids=st.lists(ids, min_size=1, max_size=3).map(tuple),
    check_permission=st.booleans(),
)

times = st.tuples(st.integers(0, 2**40), st.integers(0, 10**9 - 1))

names = st.binary(min_size=1, max_size=255).filter(
    lambda name: name not in (b".", b"..", b".trash") and not {0, ord("/")} & set(name)
)
"""Everything that can be the name of an entry anywhere."""
