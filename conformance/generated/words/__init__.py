"""The words of a generated history, a family a module, in the order in which chance counts them."""

from . import names, attributes, data, accounts, keeping, times, locks  # isort: skip

__all__ = ["accounts", "attributes", "data", "keeping", "locks", "names", "times"]
