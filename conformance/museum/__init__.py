"""Engines that are wrong on purpose, and the clauses that must catch them."""
