"""What our engine offers, apart from the engine so that asking costs no import of a client library."""

BUILT = frozenset(
    {
        "volume",
        "clock",
        "session",
        "namespace",
        "open",
        "dirstat",
        "data",
        "xattr",
        "acl",
        "tokens",
        "quota.dir",
        "quota.user",
        "trash",
        "clone",
        "flock",
        "plock",
        "maintenance",
        "changelog",
        "lua",
        "dump.json",
        "backup.binary",
    }
)
"""Capabilities held to every clause behind them."""
