"""The primitives, written once over `Store`."""
