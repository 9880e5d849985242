"""What became of what a sender said, as it stands now: just taken in, or said before."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.core.keyring import Keyring
from app.domain.inbound import InboundOutcome, InboxStatus
from app.interop.fhir.conditions import OBSERVATION
from app.interop.fhir.deliveries import Remembered, recall
from app.interop.fhir.outcomes import result_issues, whole_message
from app.interop.fhir.refusals import Issue
from app.models import LabResult
from app.services.fhir_results import counting_versions, own_results
from app.services.fhir_statements import Standing, standings_of, statements_under
from app.services.inbound import ResultReceipt
from app.services.senders import CallingSender

_ENDED = {
    InboxStatus.FILED: InboundOutcome.FILED,
    InboxStatus.DUPLICATE: InboundOutcome.DUPLICATE,
    InboxStatus.REJECTED: InboundOutcome.REFUSED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """What a submission is taken in with."""

    session: AsyncSession
    caller: CallingSender
    keyring: Keyring
    now: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What became of a submission or a part of it.

    `versions` has for each result that is filed the version that counts now, by the id of the
    version that was sent. `updates` tells that the results were known under the sender's own id.
    """

    results: tuple[ResultReceipt, ...]
    versions: Mapping[UUID, LabResult]
    item_id: UUID | None = None
    item_status: InboxStatus = InboxStatus.OPEN
    control_id: str | None = None
    repeated: bool = False
    updates: bool = False

    @property
    def is_created(self) -> bool:
        """Tell whether a result was filed just now that was not known under its id."""
        filed = any(each.outcome is InboundOutcome.FILED for each in self.results)
        return filed and not self.repeated and not self.updates

    @property
    def counting(self) -> list[LabResult]:
        """List the versions that count, without those results that are not filed."""
        ids = [each.lab_result_id for each in self.results if each.lab_result_id]
        return [self.versions[each] for each in ids if each in self.versions]

    @property
    def only_version(self) -> LabResult | None:
        """Give the version that counts where there is one result, and it is filed."""
        return self.counting[0] if len(self.results) == 1 and self.counting else None

    @property
    def issues(self) -> list[Issue]:
        """Say what became of each result."""
        whole = [whole_message(self.item_id, self.item_status)] if self.item_id else []
        return whole + result_issues(self.results, self.versions)

    def at(self, positions: Collection[int]) -> Taken:
        """Return what became of the results at some positions."""
        wanted = set(positions)
        results = tuple(each for each in self.results if each.position in wanted)
        return replace(self, results=results)


NOTHING = Taken(results=(), versions={})


async def taken_before(door: Door, names: Collection[str]) -> dict[str, list[Taken]]:
    """Return what was taken under names of the sender's own, the first one first.

    The id that the façade gave to a result of the sender's names it, too.
    """
    known: dict[str, list[Taken]] = {name: [] for name in names}
    if not known:
        return known
    study_id, source = door.caller.actor.study_id, door.caller.code
    ids = {name.removeprefix(f"{OBSERVATION}/"): name for name in names}
    for result_id in await own_results(door.session, study_id, source, ids):
        filed = ResultReceipt(position=0, outcome=InboundOutcome.FILED, lab_result_id=result_id)
        (own,) = await as_it_stands(door, [Remembered((filed,), None, {})])
        known[ids[str(result_id)]].append(replace(own, repeated=True))
    statements = await statements_under(door.session, door.caller, names)
    remembered = [recall(each.answer) for each in statements]
    standing = await as_it_stands(door, remembered)
    for statement, said, taken in zip(statements, remembered, standing, strict=True):
        for name in known.keys() & said.names.keys():
            part = taken.at(said.names[name])
            part = replace(part, control_id=statement.control_id, repeated=True)
            known[name].append(part)
    return known


async def as_it_stands(door: Door, remembered: Sequence[Remembered]) -> list[Taken]:
    """Return what became of submissions up to now: in the inbox, too, and by corrections."""
    session, study_id = door.session, door.caller.actor.study_id
    items = {each.item_id for each in remembered if each.item_id}
    items |= {each.inbox_item_id for said in remembered for each in said.results
              if each.inbox_item_id}  # fmt: skip
    standings = await standings_of(session, study_id, items) if items else {}
    settled = [tuple(_settled(each, standings) for each in said.results) for said in remembered]
    ids = {each.lab_result_id for results in settled for each in results if each.lab_result_id}
    versions = await counting_versions(session, study_id, ids) if ids else {}
    return [
        Taken(
            results=results,
            versions=versions,
            item_id=said.item_id,
            item_status=standings[said.item_id].status if said.item_id else InboxStatus.OPEN,
        )
        for said, results in zip(remembered, settled, strict=True)
    ]


def distinct(taken: Sequence[Taken]) -> list[Taken]:
    """Keep one of those that are statements about the same results, the last one."""
    return list({_identity(each): each for each in taken}.values())


def _identity(taken: Taken) -> frozenset[object]:
    """Name the results, or what waits in their place."""
    waiting = {each.inbox_item_id for each in taken.results if each.lab_result_id is None}
    named = {version.result_id for version in taken.counting} | waiting
    return frozenset(named or {taken.item_id})


def _settled(receipt: ResultReceipt, standings: Mapping[UUID, Standing]) -> ResultReceipt:
    """Show a result that waited as what has become of it since."""
    standing = standings.get(receipt.inbox_item_id) if receipt.inbox_item_id else None
    if receipt.lab_result_id is not None or standing is None or standing.status not in _ENDED:
        return receipt
    return replace(receipt, outcome=_ENDED[standing.status], lab_result_id=standing.lab_result_id)
