"""The few clauses that show in seconds whether a driver works at all: `--only smoke`."""

SMOKE = frozenset({"capabilities/undeclared-primitives-are-refused"})
