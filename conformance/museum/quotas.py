"""Quotas, wrong on purpose, each in one place, and the clause that must go red."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from metaparity.drivers.engine import codec
from metaparity.drivers.engine.quotas import Quotas
from metaparity.drivers.types import (
    Quota,
    QuotaType,
)

from .exhibit import exhibit, never, nothing

broken = partial(exhibit, __name__, "redis")


def add_usage_blindly(self: Quotas, type: QuotaType, changes: Mapping[int, tuple[int, int]]) -> list[int]:
    limits, space, inodes = self.keys.quota(type)
    for id, (more_space, more_inodes) in changes.items():
        self.db.write(
            ("HSETNX", limits, id, codec.encode_quota(Quota())),
            ("HINCRBY", space, id, more_space),
            ("HINCRBY", inodes, id, more_inodes),
        )
    return []


QUOTAS_NEVER_EXCEEDED = broken(
    "QUOTAS_NEVER_EXCEEDED",
    "a quota is counted and never enforced",
    caught_by="quota/a-directory-refuses-space-it-has-not",
    target="engine.accounts:Accounts.exceeded",
    wrong=never,
)
QUOTAS_STAY_BEHIND = broken(
    "QUOTAS_STAY_BEHIND",
    "what moves between directories with quotas goes on counting where it was",
    caught_by="quota/usage-follows-the-table",
    target="engine.renaming:Renaming._carry",
    wrong=nothing,
)
QUOTAS_COME_BACK = broken(
    "QUOTAS_COME_BACK",
    "a flush creates the record of a quota that was deleted meanwhile",
    caught_by="quota/a-deleted-one-does-not-come-back",
    target="engine.quotas:Quotas._add_usage",
    wrong=add_usage_blindly,
)
USERS_UNCHARGED = broken(
    "USERS_UNCHARGED",
    "what a user has is not counted",
    caught_by="quota/every-type-counts-for-its-owner",
    target="engine.accounting:Accounting.charge_user",
    wrong=nothing,
)
