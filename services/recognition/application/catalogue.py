"""The catalogue as decisions see it: read in one statement, its documents parsed once in a process."""

from collections.abc import Mapping
from datetime import date
from fractions import Fraction
from itertools import product
from typing import Any
from uuid import UUID

from chassis.database import Connection
from contracts.documents.agreement import FRAMEWORKS
from contracts.documents.loading import agreement_from, award_from
from services.recognition.domain.catalogue import AgreementVersion, AwardVersion, Catalogue, Member, Period
from services.recognition.domain.declines import AppealRoute
from services.recognition.store import catalogue as store
from services.recognition.terms import agreement_terms, award_terms, credit_ratio


class CatalogueReader:
    """Reads the catalogue; what was read is used again for as long as its mark is the current one.

    A mark is new with every publication and never comes twice, so what a transaction read of its own publication and
    then rolled back is never taken for what was published after it.
    """

    def __init__(self) -> None:
        self._mark: UUID | None = None
        self._catalogue = Catalogue(0)
        self._agreements: dict[tuple[store.Key, str], AgreementVersion] = {}
        self._awards: dict[tuple[store.Key, str, int], AwardVersion] = {}

    async def read(self, connection: Connection) -> Catalogue:
        """The catalogue as it is now; one statement, and up to two more where documents are new to this process."""
        listed = await store.listed(connection, self._mark)
        if listed.is_as_known:
            return self._catalogue
        catalogue = Catalogue(
            number=listed.number,
            members={id_: _member(id_, fields) for id_, fields in listed.members.items()},
            agreements=await self._agreement_versions(connection, listed.agreements),
            awards=await self._award_versions(connection, listed.awards),
        )
        self._mark, self._catalogue = listed.mark, catalogue
        return catalogue

    async def _agreement_versions(
        self, connection: Connection, listed: Mapping[store.Key, str]
    ) -> list[AgreementVersion]:
        new = [key for key, hash_ in listed.items() if (key, hash_) not in self._agreements]
        for key, document in (await store.agreement_documents(connection, new)).items():
            self._agreements[key, listed[key]] = agreement_version(document)
        return [self._agreements[key, hash_] for key, hash_ in listed.items()]

    async def _award_versions(
        self, connection: Connection, listed: Mapping[store.Key, tuple[str, int]]
    ) -> dict[str, list[AwardVersion]]:
        new = [key for key, at in listed.items() if (key, *at) not in self._awards]
        for key, document in (await store.award_documents(connection, new)).items():
            self._awards[key, *listed[key]] = award_version(document, listed[key][1])
        versions: dict[str, list[AwardVersion]] = {}
        for (award_id, version), at in sorted(listed.items(), reverse=True):
            versions.setdefault(award_id, []).append(self._awards[(award_id, version), *at])
        return versions


def agreement_version(document: dict[str, Any]) -> AgreementVersion:
    """A published agreement as decisions use it."""
    agreement = agreement_from(document)
    ratios: dict[tuple[str, str], Fraction] | None = None
    if agreement.is_multilateral:
        ratios = {pair: credit_ratio(agreement, *pair) for pair in product(FRAMEWORKS, FRAMEWORKS)}
    return AgreementVersion(
        id=agreement.id,
        version=agreement.version,
        parties=agreement.members,
        on_revocation=agreement.on_revocation,
        terms={framework: agreement_terms(agreement, framework) for framework in FRAMEWORKS},
        ratios=ratios,
    )


def award_version(document: dict[str, Any], number: int) -> AwardVersion:
    """A published award definition as decisions use it."""
    award = award_from(document)
    return AwardVersion(
        id=award.id,
        version=award.version,
        member=award.member,
        framework=award.framework,
        level=award.level,
        ladder=award.ladder,
        credits_required=award.credits_required,
        slots=award.slots,
        terms=award_terms(award),
        number=number,
    )


def _member(member_id: str, fields: Mapping[str, Any]) -> Member:
    periods = tuple(Period(date.fromisoformat(one["from"]), _day(one.get("until"))) for one in fields["suspensions"])
    appeals = AppealRoute.of(fields["appeals"])
    return Member(member_id, fields["framework"], periods, _day(fields["left_on"]), appeals)


def _day(text: str | None) -> date | None:
    return None if text is None else date.fromisoformat(text)
