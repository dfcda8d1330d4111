"""Engines that are wrong on purpose, and the clauses that must catch them.

`metaparity run --driver metaparity.conformance.museum.namespace:STICKY_BIT_IGNORED` runs the spec on one.
"""
