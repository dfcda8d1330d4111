"""Files with some of their bytes replaced by others."""

from __future__ import annotations

from hypothesis import strategies as st


def changed(data: bytes, drawn: list[tuple[int, int, bytes]]) -> bytes:
    """A file with some pieces replaced by others."""
    for at, length, piece in drawn:
        at %= len(data) + 1
        data = data[:at] + piece + data[at + length :]
    return data


pieces = st.one_of(
    st.binary(max_size=20),
    st.sampled_from(
        [b"{", b"}", b'"', b"[", b",", b"null", b"1e9", b"\xff", b"\x00\x74\x70\x83", b"\x7f" * 8]
    ),
)
