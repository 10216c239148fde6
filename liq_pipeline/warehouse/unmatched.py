"""Contracts and days of a source whose rows cannot be matched with those of others: only one of them may land there.

Such a source lacks a field of the identity, so the same liquidation would get another ``event_id`` than elsewhere and
count twice. The first source to land on a contract and day decides; the claim of an unmatched one is in
``unmatched_days``.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Final, NamedTuple, Protocol, TypeAlias

from liq_pipeline.warehouse.connection import Connection

_CLAIMS: Final = """
SELECT exchange, contract, day, source FROM {} WHERE exchange = ANY(%s) AND day = ANY(%s)"""
_OTHERS: Final = """
SELECT exchange, contract, min(source) FROM {}
WHERE time >= %s::date::timestamptz AND time < (%s::date + 1)::timestamptz
  AND (exchange, contract) IN (SELECT * FROM unnest(%s::text[], %s::text[])) AND source <> %s
GROUP BY exchange, contract"""
_CLAIM: Final = """
INSERT INTO {} (exchange, contract, day, source)
SELECT * FROM unnest(%s::text[], %s::text[], %s::date[], %s::text[])
ON CONFLICT DO NOTHING"""


_Claims: TypeAlias = dict[tuple[str, str, date], str]
"""By exchange, contract and day the unmatched source that has it."""


class ContractDay(NamedTuple):
    """What some rows are of: the unit in which sources that cannot be matched exclude each other."""

    exchange: str
    contract: str
    day: date
    source: str


class Tables(Protocol):
    """Where rows and claims are."""

    @property
    def keys(self) -> Sequence[str]: ...
    @property
    def claims(self) -> Sequence[str]: ...


def claimed(connection: Connection, wanted: Sequence[ContractDay], tables: Tables) -> dict[ContractDay, str]:
    """Those of the wanted that an unmatched source has claimed, not the one that wants them, with the reason."""
    return _claimed(wanted, _claims(connection, wanted, tables))


def taken(connection: Connection, wanted: Sequence[ContractDay], tables: Tables) -> dict[ContractDay, str]:
    """Those of the wanted that an unmatched source may not have, as another landed there before, with the reason."""
    claims = _claims(connection, wanted, tables)
    refused = _claimed(wanted, claims)
    for day, source in {(each.day, each.source) for each in wanted}:
        free = {each[:2]: each for each in wanted if each[2:] == (day, source) and each[:3] not in claims}
        for table in tables.keys if free else ():
            exchanges, contracts = map(list, zip(*free, strict=True))
            found = connection.execute(_OTHERS.format(table).encode(), (day, day, exchanges, contracts, source))
            refused |= {free[tuple(name)]: _is_taken(free[tuple(name)], other) for *name, other in found}
    return refused


def claim(connection: Connection, landed: Sequence[ContractDay], table: str) -> None:
    """Keep other sources from the contract-days that unmatched rows landed on."""
    if landed:
        connection.execute(_CLAIM.format(table).encode(), list(map(list, zip(*landed, strict=True))))


def _claimed(wanted: Sequence[ContractDay], claims: _Claims) -> dict[ContractDay, str]:
    return {
        each: _has_claimed(each, source)
        for each in wanted
        if (source := claims.get(each[:3], each.source)) != each.source
    }


def _claims(connection: Connection, wanted: Sequence[ContractDay], tables: Tables) -> _Claims:
    names, days = list({each.exchange for each in wanted}), list({each.day for each in wanted})
    return {
        (exchange, contract, day): source
        for table in tables.claims
        for exchange, contract, day, source in connection.execute(_CLAIMS.format(table).encode(), (names, days))
    }


def _has_claimed(wanted: ContractDay, source: str) -> str:
    return (
        f"{wanted.exchange} {wanted.contract} has rows of {source} on {wanted.day}, which lack a field of the "
        f"identity, so that rows of {wanted.source} would count the same liquidations twice; leave the day as it is, "
        f"or land {wanted.source} in a database without {source}"
    )


def _is_taken(wanted: ContractDay, source: str) -> str:
    return (
        f"{wanted.exchange} {wanted.contract} has rows of {source} on {wanted.day}, with which rows of "
        f"{wanted.source} cannot be matched, as they lack a field of the identity; leave the day as it is, "
        f"or land {wanted.source} in a database without {source}"
    )
