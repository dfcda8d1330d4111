"""The few clauses that show in seconds whether a driver works at all: `--only smoke`."""

SMOKE = frozenset(
    {
        "capabilities/declared-primitives-are-offered",
        "capabilities/undeclared-primitives-are-refused",
        "create/makes-an-open-file",
        "link/adds-a-name-to-any-other-node",
        "mkdir/equals-mknod-of-a-directory",
        "mknod/a-node-starts-with-the-attributes-of-its-type",
        "refusal/a-missing-parent-is-not-found",
        "refusal/a-taken-name-exists",
        "rename/a-moved-directory-keeps-what-is-in-it",
        "rename/noreplace-keeps-an-existing-target",
        "rmdir/a-directory-with-entries-stays",
        "rmdir/an-empty-directory-goes",
        "symlink/the-target-is-kept-verbatim",
        "trace/keys-format",
        "trace/t01-first-inodes",
        "unlink/an-open-file-outlives-its-names",
        "unlink/the-last-name-takes-the-node",
    }
)
