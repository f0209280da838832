"""The life of a decision, each case through the public APIs on the whole system.

| Case that no API can force | Where it is |
|---|---|
| a referral opened 2025-10-01 is due 2025-10-22 | tests/integration/recognition/test_referrals.py |
| nobody had agreed anything at all, and what is agreed then reaches back | …/recognition/test_catalogue.py |
| an earlier revision that arrives from the topic after a later one | …/recognition/test_deciding.py |
| an enrolment closed first, or decided first, each by itself | tests/unit/recognition/service/test_life.py |
| an appeal that is too late; a conferral that waits for recognition's word | tests/integration/learner_record |
"""

import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

import httpx
import pytest

from deploy.demo.publishing import publish_document
from tests.eventually import Value, eventually
from tests.whole import TODAY, Whole, completion, enrolment

pytestmark = pytest.mark.servers

JSON = dict[str, Any]
BSC: Final = "northbridge:bsc-data-science"
CERTIFICATE: Final = "eastmoor:life-certificate"
SHORT: Final = "northbridge:life-short"
CLOUD: Final = "delmere:cloud"
NETWORKS: Final = "glenmore:networks"
LAW: Final = "glenmore:information-law"
ETHICS: Final = "northbridge:data-ethics"
LEARNING: Final = "northbridge:machine-learning"


def award(award_id: str, **fields: Any) -> JSON:
    """An award of 20 credits; `fields` replace."""
    return {
        "id": award_id,
        "version": 1,
        "member": award_id.partition(":")[0],
        "title": "An award of these cases",
        "framework": "FHEQ",
        "level": 5,
        "credits_required": "20",
        "minimum_level": 4,
    } | fields


def agreement(provider: str, receiver: str, **fields: Any) -> JSON:
    """An agreement in a direction that no other test uses; `fields` replace."""
    return {
        "id": f"life-{provider}-{receiver}",
        "version": 1,
        "title": f"From {provider} to {receiver}",
        "parties": {"provider": provider, "receiver": receiver},
        "credit_ratio": "1",
        "credit_step": "0.01",
        "in_force_from": "2025-01-01",
        "in_force_until": "2034-12-31",
        "in_force_basis": "claim",
        "on_expired": "REFERRED",
        "grade_policy": "ungraded",
        "excess_credit": "drop",
        "on_revocation": "refer",
    } | fields


async def soon(condition: Callable[[], Awaitable[Value]], what: str) -> Value:
    """Wait for it; how long it takes is no matter of these tests."""
    return await eventually(condition, within=60, what=what)


@dataclass
class Life:
    """One learner, what members send about them, and what becomes of it."""

    whole: Whole
    code: str

    def completion(self, course: str, **fields: Any) -> JSON:
        """The completion of a learning opportunity; `fields` replace."""
        return completion(self.code, course, **fields)

    async def completes(self, course: str, **fields: Any) -> str:
        """Publish a completion, or a revision of it, and give its id."""
        response = await self.whole.publish(self.completion(course, **fields))
        assert response.status_code == 201, response.text
        return str(response.json()["completion_id"])

    async def enrols(self, award_id: str, **fields: Any) -> str:
        """Enrol, or send a revision of the enrolment, and give its id."""
        response = await self.whole.enrol(enrolment(self.code, award_id, **fields))
        assert response.status_code == 201, response.text
        return str(response.json()["enrolment_id"])

    async def record(self) -> JSON:
        """The record, as the learner reads it."""
        async with self.learner() as http:
            response = await http.get("/record")
            response.raise_for_status()
            body: JSON = response.json()
            return body

    async def enrolment(self, award_id: str) -> JSON:
        """An enrolment as it stands on the record; empty until it is there."""
        record = await self.record()
        enrolments = (one for member in record["members"] for one in member["enrolments"])
        return next((one for one in enrolments if one["award"]["id"] == award_id), {})

    async def entry(self, award_id: str, course: str) -> JSON:
        """What stands on the record of a completion for an enrolment; empty where nothing does."""
        entries = (await self.enrolment(award_id)).get("entries", [])
        return next((one for one in entries if one["completion"]["learning_opportunity"]["id"] == course), {})

    async def becomes(self, award_id: str, course: str, state: str, *grounds: str, number: int = 0) -> JSON:
        """Wait until the entry has this state for exactly these reasons (and this number, where one is given)."""
        seen: JSON = {}

        async def it_is() -> JSON:
            entry = seen["last"] = await self.entry(award_id, course)
            if not entry or entry["is_being_decided"] or number not in (0, entry["decision_number"]):
                return {}
            codes = sorted(ground["code"] for ground in entry["grounds"])
            return entry if (entry["state"], codes) == (state, sorted(grounds)) else {}

        try:
            return await soon(it_is, f"{course} at {award_id} {state} {grounds}")
        except AssertionError as error:
            shown = {name: seen.get("last", {}).get(name) for name in ("state", "decision_number", "grounds")}
            raise AssertionError(f"{error}: {shown}") from None

    async def decisions(self, award_id: str, course: str) -> list[JSON]:
        """All decisions on a claim, as the receiver's feed has them."""
        receiver, _, code = award_id.partition(":")
        claim = f"{self.code}-{course.partition(':')[2]}", f"{self.code}-{code}"
        found: list[JSON] = []
        async with self.whole.at("recognition-api", f"{receiver}-system") as http:
            after: str | None = None
            while True:
                asked = {"as": "receiver", "limit": "1000"} | ({"after": after} if after else {})
                page = (await http.get("/decisions", params=asked)).json()
                found += [
                    one for one in page["items"] if (one["completion_reference"], one["enrolment_reference"]) == claim
                ]
                if len(page["items"]) < 1000:
                    return found
                after = page["next"]

    async def progress(self, award_id: str, is_so: Callable[[JSON], bool], what: str) -> httpx.Response:
        """Wait until the registry's progress of an enrolment is so, and give the answer with its ETag."""
        member, _, code = award_id.partition(":")

        async def it_is() -> httpx.Response | None:
            async with self.whole.at("learner-record-api", f"{member}-system") as http:
                response = await http.get(f"/progress/{self.code}-{code}")
            return response if response.status_code == 200 and is_so(response.json()) else None

        found = await soon(it_is, what)
        assert found is not None
        return found

    async def confers(self, award_id: str, read: httpx.Response) -> httpx.Response:
        """Confer the award on the progress that was read; where it went on meanwhile, on what it is then."""
        member, _, code = award_id.partition(":")
        headers = {"If-Match": read.headers["ETag"]}

        async def answered() -> httpx.Response | None:
            async with self.whole.at("learner-record-api", f"{member}-system") as http:
                response = await http.put(f"/conferrals/{self.code}-{code}", json={}, headers=headers)
            headers["If-Match"] = response.headers.get("ETag", headers["If-Match"])
            return None if response.status_code == 412 else response

        found = await soon(answered, f"{award_id} is conferred, or refused")
        assert found is not None
        return found

    @asynccontextmanager
    async def learner(self) -> AsyncIterator[httpx.AsyncClient]:
        """The learner record, with the learner's own token."""
        async with self.whole.at_as("learner-record-api", "learner", code=self.code) as http:
            yield http


def credits_of(entry: JSON) -> list[tuple[str, int]]:
    """Credit and level of what an entry counts as."""
    return [(line["credits"], line["level"]) for line in entry["counts_as"]["lines"]]


def numbers_and_states(decisions: list[JSON]) -> list[tuple[int, str, str]]:
    """The history of a claim: number, state, and what each was made on."""
    return [(one["number"], one["state"], one["cause"]["kind"]) for one in decisions]


def is_eligible(progress: JSON) -> bool:
    """Whether every condition of the award holds."""
    return bool(progress["eligible"])


@pytest.fixture(scope="module")
async def alive(whole: Whole) -> Callable[[str], Life]:
    """The awards of these cases; and a learner by a code."""
    await publish_document(award(CERTIFICATE, level=4), whole.doors)
    await publish_document(award(SHORT, import_cap="20"), whole.doors)
    return lambda code: Life(whole, f"life-{code}")


# Correction and revocation


async def test_a_mark_corrected_from_38_to_58_supersedes_a_decline_that_stays_to_be_read(
    alive: Callable[[str], Life],
) -> None:
    life = alive("corrected")
    await life.enrols(BSC)
    await life.completes(CLOUD, mark="38", result="fail")
    declined = await life.becomes(BSC, CLOUD, "DECLINED", "NOT_PASSED")
    assert declined["appeals"]["route"]
    await life.completes(CLOUD, revision=2, mark="58")
    recognised = await life.becomes(BSC, CLOUD, "RECOGNISED")
    assert credits_of(recognised) == [("12", 6)]
    history = await life.decisions(BSC, CLOUD)
    assert numbers_and_states(history) == [(1, "DECLINED", "completion"), (2, "RECOGNISED", "revision")]
    assert [one["decision_id"] for one in history] == [declined["decision_id"], recognised["decision_id"]]
    async with life.whole.at("recognition-api", "northbridge-system") as http:
        old = (await http.get(f"/decisions/{declined['decision_id']}")).json()
    assert (old["state"], old["current_decision_id"]) == ("DECLINED", recognised["decision_id"])


async def test_a_revision_that_arrives_before_an_earlier_one_stands(alive: Callable[[str], Life]) -> None:
    life = alive("overtaken")
    await life.enrols(BSC)
    await life.completes(CLOUD, revision=3, mark="58")
    await life.becomes(BSC, CLOUD, "RECOGNISED")
    late = await life.whole.publish(life.completion(CLOUD, revision=2, mark="38", result="fail"))
    assert (late.status_code, late.json()["retryable"]) == (409, False)
    # What comes after the refused one has gone the whole way, so the refused one would have too.
    await life.completes(NETWORKS)
    await life.becomes(BSC, NETWORKS, "RECOGNISED")
    entry = await life.becomes(BSC, CLOUD, "RECOGNISED")
    assert (entry["completion_revision"], entry["completion"]["mark"]) == (3, "58")
    assert numbers_and_states(await life.decisions(BSC, CLOUD)) == [(1, "RECOGNISED", "completion")]


async def test_all_of_a_and_b_is_granted_when_both_are_there_and_taken_back_when_a_is_corrected(
    alive: Callable[[str], Life],
) -> None:
    life, pgcert = alive("both"), "glenmore:pgcert-data"
    await life.enrols(pgcert)
    await life.completes(ETHICS, mark="60")
    waiting = await life.becomes(pgcert, ETHICS, "INCOMPLETE", "RULE_NOT_SATISFIED")
    assert LEARNING in str(waiting["grounds"])
    await life.completes(LEARNING, mark="60")
    a, b = await life.becomes(pgcert, ETHICS, "RECOGNISED"), await life.becomes(pgcert, LEARNING, "RECOGNISED")
    assert a["counts_as"]["grant_id"] == b["counts_as"]["grant_id"]
    assert credits_of(a) == [("30", 11)]
    assert (await life.enrolment(pgcert))["totals"]["specific"] == "30"

    await life.completes(ETHICS, revision=2, mark="45")
    await life.becomes(pgcert, ETHICS, "DECLINED", "GRADE_BELOW_MIN")
    other = await life.becomes(pgcert, LEARNING, "INCOMPLETE", "RULE_NOT_SATISFIED")
    assert other["counts_as"] is None
    assert (await life.enrolment(pgcert))["totals"]["imported"] == "0"

    await life.completes(ETHICS, revision=3, mark="62")
    again = await life.becomes(pgcert, ETHICS, "RECOGNISED")
    await life.becomes(pgcert, LEARNING, "RECOGNISED")
    assert again["counts_as"]["grant_id"] != a["counts_as"]["grant_id"]
    assert [state for _, state, _ in numbers_and_states(await life.decisions(pgcert, LEARNING))] == [
        "RECOGNISED", "INCOMPLETE", "RECOGNISED",
    ]  # fmt: skip


async def test_a_revoked_completion_takes_back_the_eligibility_that_its_credit_gave(
    alive: Callable[[str], Life],
) -> None:
    life = alive("no-more-eligible")
    await life.enrols(CERTIFICATE)
    await life.completes("eastmoor:spreadsheets")
    await life.completes(CLOUD)
    await life.becomes(CERTIFICATE, CLOUD, "RECOGNISED")
    await life.progress(CERTIFICATE, is_eligible, "eligible")
    await life.completes(CLOUD, revision=2, revoked=True, revocation_reason="issued in error")
    entry = await life.becomes(CERTIFICATE, CLOUD, "REFERRED", "REVOKED")
    assert (entry["counts_as"]["frozen"], entry["counts"]) == (True, False)
    answer = await life.progress(CERTIFICATE, lambda one: not one["eligible"], "no longer eligible")
    assert answer.json()["conditions"][0]["sentence"] == "10 of 20 credits: 10 are missing."
    assert (await life.confers(CERTIFICATE, answer)).status_code == 409
    stands = await life.enrolment(CERTIFICATE)
    assert (stands["totals"]["imported"], stands["frozen"]["imported"]) == ("0", "12")


async def test_a_revoked_completion_that_an_award_was_conferred_on_goes_to_the_registry_named(
    alive: Callable[[str], Life],
) -> None:
    life = alive("lost")
    await life.enrols(CERTIFICATE)
    await life.completes("eastmoor:spreadsheets")
    cloud = await life.completes(CLOUD)
    await life.becomes(CERTIFICATE, CLOUD, "RECOGNISED")
    conferral = await life.confers(CERTIFICATE, await life.progress(CERTIFICATE, is_eligible, "eligible"))
    assert conferral.status_code == 201, conferral.text
    await life.completes(CLOUD, revision=2, revoked=True, revocation_reason="issued in error")
    answer = (await life.progress(CERTIFICATE, lambda one: one["lost"] == [cloud], "lost")).json()
    assert answer["conferral"] == conferral.json(), "the system undoes no conferral"
    async with life.whole.at("learner-record-api", "eastmoor-system") as http:
        named = (await http.get("/progress", params={"only": "lost"})).json()["items"]
    assert ("life-lost-life-certificate", [cloud]) in [(one["reference"], one["lost"]) for one in named]
    await life.becomes(CERTIFICATE, CLOUD, "REFERRED", "REVOKED")
    assert (await life.enrolment(CERTIFICATE))["progress"]["lost"] == [cloud]


async def test_where_the_agreement_withdraws_the_room_goes_to_what_waited_for_it(alive: Callable[[str], Life]) -> None:
    life, programming = alive("withdrawn"), "eastmoor:programming"
    await life.enrols(SHORT)
    await life.completes(programming)
    first = await life.becomes(SHORT, programming, "PARTIAL", "ROUNDED_DOWN")
    assert credits_of(first) == [("13.33", 4)]
    await life.completes(CLOUD)
    await life.becomes(SHORT, CLOUD, "DECLINED", "CAP_EXCEEDED")
    await life.completes(programming, revision=2, revoked=True, revocation_reason="issued in error")
    gone = await life.becomes(SHORT, programming, "DECLINED", "REVOKED")
    assert gone["counts_as"] is None
    assert credits_of(await life.becomes(SHORT, CLOUD, "RECOGNISED")) == [("12", 6)]
    assert [cause for _, _, cause in numbers_and_states(await life.decisions(SHORT, CLOUD))] == [
        "completion",
        "given_back",
    ]
    assert (await life.enrolment(SHORT))["totals"]["imported"] == "12"


# What completes by itself, and what changes nothing


async def test_a_new_revision_is_a_new_decision_and_what_changes_nothing_is_none(alive: Callable[[str], Life]) -> None:
    life = alive("unchanged")
    await life.enrols(BSC)
    await life.completes(CLOUD)
    first = await life.becomes(BSC, CLOUD, "RECOGNISED")
    assert (await life.whole.publish(life.completion(CLOUD))).status_code == 200
    await life.enrols(BSC, revision=2, opened_on=(TODAY - timedelta(days=29)).isoformat())

    async def is_known() -> bool:
        sql = "SELECT max(revision) FROM enrolment_revision WHERE reference = $1"
        return [row[0] for row in await life.whole.fetch("recognition", sql, "life-unchanged-bsc-data-science")] == [2]

    await soon(is_known, "the enrolment's second revision at recognition")
    await life.completes(CLOUD, revision=2, mark="66")
    second = await life.becomes(BSC, CLOUD, "RECOGNISED", number=2)
    assert second["counts_as"] == first["counts_as"], "the same lines are the same grant"
    assert numbers_and_states(await life.decisions(BSC, CLOUD)) == [
        (1, "RECOGNISED", "completion"),
        (2, "RECOGNISED", "revision"),
    ]


async def test_a_minimum_claim_completes_by_itself(alive: Callable[[str], Life]) -> None:
    life, bachelor, statistics = alive("minimum"), "delmere:bachelor-ict", "northbridge:statistics"
    await publish_document(
        agreement("northbridge", "delmere", credit_ratio="1/2", minimum_claim="15"), life.whole.doors
    )
    await life.enrols(bachelor)
    await life.completes(statistics)
    waiting = await life.becomes(bachelor, statistics, "INCOMPLETE", "BELOW_MIN_CLAIM")
    assert waiting["counts_as"] is None
    await life.completes(ETHICS)
    await life.becomes(bachelor, ETHICS, "RECOGNISED")
    assert credits_of(await life.becomes(bachelor, statistics, "RECOGNISED")) == [("10", 5)]
    assert (await life.enrolment(bachelor))["totals"]["imported"] == "17.5"


async def test_a_new_version_decides_what_was_referred_and_leaves_what_was_recognised(
    alive: Callable[[str], Life],
) -> None:
    life, later = alive("version-1"), alive("version-2")
    first = agreement(
        "glenmore", "eastmoor", rules=[{"priority": 1, "requires": {"course": NETWORKS}, "grants": None}]
    )  # fmt: skip
    await publish_document(first, life.whole.doors)
    await life.enrols(CERTIFICATE)
    await life.completes(NETWORKS)
    await life.completes(LAW)
    recognised = await life.becomes(CERTIFICATE, NETWORKS, "RECOGNISED")
    await life.becomes(CERTIFICATE, LAW, "REFERRED", "NO_RULE")
    second = first | {
        "version": 2,
        "rules": [{"priority": 1, "requires": {"course": LAW}, "grants": None}],
        "denied_courses": [{"course": NETWORKS, "reason": "It is taught at Eastmoor itself now."}],
    }
    await publish_document(second, life.whole.doors)
    covered = await life.becomes(CERTIFICATE, LAW, "RECOGNISED")
    assert (covered["agreement"]["version"], covered["cause"]) == (2, "agreement")
    assert await life.entry(CERTIFICATE, NETWORKS) == recognised
    await later.enrols(CERTIFICATE)
    await later.completes(NETWORKS)
    await later.becomes(CERTIFICATE, NETWORKS, "DECLINED", "EXPLICITLY_DENIED", "NO_RULE")
    assert [one["agreement"]["version"] for one in await life.decisions(CERTIFICATE, NETWORKS)] == [1]


async def test_a_claim_that_waited_is_decided_by_an_agreement_that_reaches_back_to_it(
    alive: Callable[[str], Life],
) -> None:
    life, bachelor = alive("reached"), "delmere:bachelor-ict"
    # What is in force today will be over by then: a claim of 2036 finds nothing that covers it.
    await life.enrols(bachelor, opened_on="2036-01-15")
    await life.completes(NETWORKS)
    await life.becomes(bachelor, NETWORKS, "REFERRED", "AGREEMENT_NOT_IN_FORCE")
    late = agreement(
        "glenmore", "delmere", credit_ratio="1/2", in_force_from="2036-06-01", in_force_until="2040-12-31"
    )  # fmt: skip
    await publish_document(late, life.whole.doors)
    await publish_document(late | {"version": 2, "covers_since": "2036-01-01"}, life.whole.doors)
    reached = await life.becomes(bachelor, NETWORKS, "RECOGNISED")
    assert (reached["agreement"], reached["claimed_on"]) == (
        {"id": "life-glenmore-delmere", "version": 2},
        "2036-01-15",
    )
    assert credits_of(reached) == [("10", 5)]
    # The first version changed nothing, so nothing was published.
    assert [state for _, state, _ in numbers_and_states(await life.decisions(bachelor, NETWORKS))] == [
        "REFERRED",
        "RECOGNISED",
    ]


# Agreements and awards that are refused


@pytest.mark.parametrize(
    ("rule", "document"),
    [
        (
            "overlapping-rules",
            agreement(
                "eastmoor",
                "delmere",
                id="life-overlapping",
                rules=[
                    {
                        "priority": 1,
                        "requires": {"course": "eastmoor:programming"},
                        "grants": [{"slot": "GENERAL", "credits": granted, "level": 5}],
                    }
                    for granted in ("10", "15")
                ],
            ),
        ),
        (
            "grants-above-source",
            agreement(
                "eastmoor",
                "delmere",
                id="life-above-source",
                rules=[
                    {
                        "priority": 1,
                        "requires": {"course": "eastmoor:programming"},
                        "grants": [{"slot": "GENERAL", "credits": "25", "level": 5}],
                    }
                ],
            ),
        ),
        ("not-whole-credits", award("eastmoor:life-a-third", import_cap="118.8")),
    ],
    ids=["overlapping rules", "25 credits for 20", "a cap of 118.8"],
)
async def test_what_lint_finds_is_refused(alive: Callable[[str], Life], rule: str, document: JSON) -> None:
    whole = alive("nobody").whole
    path = f"/{'agreements' if 'parties' in document else 'awards'}/{document['id']}"
    async with whole.at("recognition-api", "eastmoor-system") as http:
        refused = await http.put(path, json=document)
        assert refused.status_code == 422, refused.text
        assert [finding["rule"] for finding in refused.json()["findings"]] == [rule]
        drafted = await http.put(f"{path}/drafts/1", json=document, headers={"If-None-Match": "*"})
        assert [finding["rule"] for finding in drafted.json()["findings"]] == [rule]
        approval = {"document_hash": drafted.json()["document_hash"]}
        assert (await http.put(f"{path}/drafts/1/approval", json=approval)).status_code == 422
        assert (await http.get(path)).status_code == 404


# Several receivers, several enrolments, conferrals


async def test_a_credit_is_recognised_at_two_receivers_until_an_award_is_conferred_on_it_at_one(
    alive: Callable[[str], Life],
) -> None:
    life = alive("two-receivers")
    await life.enrols(SHORT)
    await life.enrols(CERTIFICATE)
    cloud = await life.completes(CLOUD)
    await life.completes("northbridge:statistics")
    await life.completes("eastmoor:spreadsheets")
    for award_id in (SHORT, CERTIFICATE):
        assert credits_of(await life.becomes(award_id, CLOUD, "RECOGNISED")) == [("12", 6)]
    await life.progress(CERTIFICATE, is_eligible, "eligible at Eastmoor")
    conferral = await life.confers(SHORT, await life.progress(SHORT, is_eligible, "eligible at Northbridge"))
    assert conferral.status_code == 201, conferral.text
    assert cloud in conferral.json()["completions"]
    used = await life.becomes(CERTIFICATE, CLOUD, "DECLINED", "ALREADY_USED")
    assert (used["counts_as"], used["cause"]) == (None, "conferral")
    assert used["appeals"]["route"]
    (latest,) = [one for one in await life.decisions(CERTIFICATE, CLOUD) if one["decision_id"] == used["decision_id"]]
    assert latest["conferrals"] == [conferral.json()["conferral_id"]]
    answer = await life.progress(CERTIFICATE, lambda one: cloud not in one["counted"], "it counts no more")
    refused = await life.confers(CERTIFICATE, answer)
    assert (refused.status_code, refused.json()["retryable"]) == (409, False)
    # What stands where the award was conferred is as it was.
    await life.becomes(SHORT, CLOUD, "RECOGNISED")


async def test_two_enrolments_at_one_member_are_decided_each_under_its_own_caps(alive: Callable[[str], Life]) -> None:
    life = alive("two-enrolments")
    await life.enrols(BSC)
    await life.enrols(SHORT)
    await life.completes(CLOUD)
    one, other = await life.becomes(BSC, CLOUD, "RECOGNISED"), await life.becomes(SHORT, CLOUD, "RECOGNISED")
    assert one["decision_id"] != other["decision_id"]
    assert one["counts_as"]["grant_id"] != other["counts_as"]["grant_id"]
    await life.completes(NETWORKS)
    await life.becomes(BSC, NETWORKS, "RECOGNISED")
    await life.becomes(SHORT, NETWORKS, "DECLINED", "CAP_EXCEEDED")
    assert [(await life.enrolment(each))["totals"]["imported"] for each in (BSC, SHORT)] == ["32", "12"]


async def test_a_microcredential_that_a_learner_was_admitted_with_counts_when_it_is_claimed(
    alive: Callable[[str], Life],
) -> None:
    """Admission is no use of a credit: there is nothing to state, and what says otherwise is refused."""
    life = alive("admitted")
    refused = await life.whole.publish(life.completion(CLOUD, used_for={"title": "Admission to the BSc"}))
    assert refused.status_code == 422
    cloud = await life.completes(CLOUD)
    await life.enrols(BSC, opened_on=TODAY.isoformat())
    entry = await life.becomes(BSC, CLOUD, "RECOGNISED")
    assert (entry["completion"]["completion_id"], entry["counts"]) == (cloud, True)
    assert (await life.enrolment(BSC))["totals"]["imported"] == "12"


async def test_an_enrolment_closed_while_its_evaluation_is_under_way_is_decided_wholly_or_not_at_all(
    alive: Callable[[str], Life],
) -> None:
    life, whole = alive("closed"), alive("closed").whole
    yesterday = (TODAY - timedelta(days=1)).isoformat()
    enrolment_id = await life.enrols(BSC)
    await life.completes(NETWORKS)
    await life.becomes(BSC, NETWORKS, "RECOGNISED")
    whole.system.kill("recognition-worker", signal.SIGSTOP)
    try:
        await life.completes(CLOUD)
        await life.enrols(BSC, revision=2, closed_on=yesterday)
    finally:
        whole.system.kill("recognition-worker", signal.SIGCONT)

    async def is_known(completions: int) -> bool:
        sql = """
            SELECT count(*) FROM completion_revision NATURAL JOIN (SELECT learner_id FROM enrolment_revision
            WHERE enrolment_id = $1::uuid AND closed_on IS NOT NULL) closed
        """
        (known,) = await whole.fetch("recognition", sql, enrolment_id)
        return bool(known[0] == completions)

    # Recognition may learn of the two in either order; what it learns of after them comes too late.
    await soon(lambda: is_known(2), "the completion and the closing are at recognition")
    await life.completes(LAW)
    await soon(lambda: is_known(3), "the later completion is at recognition")
    assert await life.decisions(BSC, LAW) == [], "closed is closed"
    decided = await life.decisions(BSC, CLOUD)
    assert numbers_and_states(decided) in ([], [(1, "RECOGNISED", "completion")])
    (balance,) = await whole.fetch(
        "recognition", "SELECT sum(credits) FROM ledger WHERE enrolment_id = $1::uuid", enrolment_id
    )

    async def the_record_says_the_same() -> bool:
        stands = await life.enrolment(BSC)
        entries = {one["completion"]["learning_opportunity"]["id"]: one for one in stands["entries"]}
        shown = {NETWORKS, CLOUD} if decided else {NETWORKS}
        return (
            stands["closed_on"] == yesterday
            and set(entries) == shown
            and not any(one["is_being_decided"] for one in entries.values())
            and stands["totals"]["imported"] == f"{balance[0].normalize():f}"
        )

    await soon(the_record_says_the_same, "the record and the ledger agree")
    assert balance[0] == (32 if decided else 20)


# What people ask for and decide


async def test_a_learner_chooses_what_counts_changes_it_and_no_more_once_it_is_conferred(
    alive: Callable[[str], Life],
) -> None:
    life = alive("choice")
    cloud, networks = await life.completes(CLOUD), await life.completes(NETWORKS)

    async def both_are_known() -> bool:
        sql = "SELECT 1 FROM completion_revision WHERE completion_id = ANY($1::uuid[])"
        return len(await life.whole.fetch("recognition", sql, [cloud, networks])) == 2

    await soon(both_are_known, "both completions are at recognition")
    address = f"/record/choices/{await life.enrols(SHORT)}"
    await life.becomes(SHORT, CLOUD, "INCOMPLETE", "CHOICE_REQUIRED")
    await life.becomes(SHORT, NETWORKS, "INCOMPLETE", "CHOICE_REQUIRED")
    async with life.learner() as http:
        assert (await http.put(address, json={"completions": [cloud]})).status_code == 201
        await life.becomes(SHORT, CLOUD, "RECOGNISED")
        await life.becomes(SHORT, NETWORKS, "DECLINED", "CAP_EXCEEDED")
        changed = await http.put(address, json={"completions": [networks]})
        assert (changed.status_code, changed.json()["revision"]) == (201, 2)
        await life.becomes(SHORT, NETWORKS, "RECOGNISED")
        await life.becomes(SHORT, CLOUD, "DECLINED", "CAP_REACHED")
        assert (await life.enrolment(SHORT))["choice"] == [networks]
        conferral = await life.confers(SHORT, await life.progress(SHORT, is_eligible, "eligible"))
        assert (conferral.status_code, conferral.json()["completions"]) == (201, [networks])
        refused = await http.put(address, json={"completions": [cloud]})
        assert (refused.status_code, refused.json()["retryable"]) == (409, False)
    async with alive("two-receivers").learner() as http:
        assert (await http.put(address, json={"completions": []})).status_code == 404, "somebody else's enrolment"
    assert (await life.enrolment(SHORT))["choice"] == [networks]


@dataclass
class Appealed:
    """A decline at Northbridge that its learner appeals against, and the officer whose queue it comes to."""

    life: Life
    decision: JSON

    async def lodge(self, stage: int) -> httpx.Response:
        """The learner appeals, or takes it to a further stage."""
        async with self.life.learner() as http:
            return await http.put(
                f"/record/appeals/{self.decision['decision_id']}",
                json={"stage": stage, "statement": f"My mark is one below, and my project was excellent. ({stage})"},
            )

    async def queued(self, appeal_id: str, stage: int) -> None:
        """Wait until it is in the queue at this stage."""

        async def is_there() -> bool:
            async with self.life.whole.at_as("recognition-api", "officer", member="northbridge") as http:
                items = (await http.get("/appeals", params={"limit": "200"})).json()["items"]
            return (appeal_id, stage) in [(one["appeal_id"], one["stage"]) for one in items]

        await soon(is_there, f"stage {stage} of the appeal is in the officer's queue")

    async def ruled(self, appeal_id: str, ruling: JSON) -> JSON:
        """The officer reads it and decides."""
        async with self.life.whole.at_as("recognition-api", "officer", member="northbridge") as http:
            read = await http.get(f"/appeals/{appeal_id}")
            assert read.json()["decision"]["decision_id"] == self.decision["decision_id"]
            headers = {"If-Match": read.headers["ETag"]}
            answer = await http.put(f"/appeals/{appeal_id}/decision", json=ruling, headers=headers)
        assert answer.status_code == 200, answer.text
        body: JSON = answer.json()
        return body

    async def shown(self, stage: int, state: str) -> JSON:
        """Wait until the record shows the appeal so, and give the entry."""

        async def it_is() -> JSON:
            entry = await self.life.entry(BSC, "eastmoor:data-stories")
            appeal = entry["appeal"] or {}
            return entry if (appeal.get("stage"), appeal.get("state")) == (stage, state) else {}

        return await soon(it_is, f"stage {stage} {state} on the record")


async def appealed(life: Life) -> Appealed:
    """Declined for a mark that is one below the least."""
    await life.enrols(BSC)
    await life.completes("eastmoor:data-stories", mark="44")
    return Appealed(life, await life.becomes(BSC, "eastmoor:data-stories", "DECLINED", "GRADE_BELOW_MIN"))


async def test_an_appeal_is_lodged_read_by_the_officer_and_upheld(alive: Callable[[str], Life]) -> None:
    case = await appealed(alive("upheld"))
    lodged = await case.lodge(1)
    assert (lodged.status_code, lodged.json()["state"]) == (201, "lodged")
    appeal_id = lodged.json()["appeal_id"]
    await case.queued(appeal_id, 1)
    assert (await case.shown(1, "open"))["appeal"]["due_on"]
    async with case.life.whole.at_as("learner-record-api", "officer", member="northbridge") as http:
        (written,) = (await http.get(f"/appeals/{appeal_id}/statements")).json()["statements"]
        assert written["statement"].startswith("My mark is one below")
    async with case.life.whole.at_as("learner-record-api", "officer", member="eastmoor") as http:
        assert (await http.get(f"/appeals/{appeal_id}/statements")).status_code == 403
    upheld = await case.ruled(
        appeal_id,
        {
            "upheld": True,
            "recognise": [{"slot": "GENERAL", "credits": "10", "level": 5}],
            "reasons": "The project shows what the mark does not.",
        },
    )
    await case.life.becomes(BSC, "eastmoor:data-stories", "RECOGNISED", "OFFICER")
    entry = await case.shown(1, "upheld")
    assert entry["decision_id"] == upheld["outcome_decision_id"] == entry["appeal"]["outcome_decision_id"]
    assert credits_of(entry) == [("10", 5)]
    assert "The project shows what the mark does not." in str(entry["grounds"])
    assert numbers_and_states(await case.life.decisions(BSC, "eastmoor:data-stories")) == [
        (1, "DECLINED", "completion"),
        (2, "RECOGNISED", "appeal"),
    ]


async def test_a_dismissed_appeal_is_taken_to_its_next_stage_and_no_further_than_the_last(
    alive: Callable[[str], Life],
) -> None:
    case = await appealed(alive("dismissed"))
    appeal_id = (await case.lodge(1)).json()["appeal_id"]
    assert (await case.lodge(2)).status_code == 409, "stage 1 is not decided yet"
    dismissal = {"upheld": False, "reasons": "The agreement names the mark."}
    for stage, until in ((1, (TODAY + timedelta(days=20)).isoformat()), (2, None)):
        await case.queued(appeal_id, stage)
        assert (await case.ruled(appeal_id, dismissal))["state"] == "dismissed"
        entry = await case.shown(stage, "dismissed")
        assert (entry["appeal"]["next_stage_until"], entry["appeal"]["reasons"]) == (until, dismissal["reasons"])
        assert (await case.lodge(stage + 1)).status_code == (201 if stage == 1 else 422)
    assert len(await case.life.decisions(BSC, "eastmoor:data-stories")) == 1
    await case.life.becomes(BSC, "eastmoor:data-stories", "DECLINED", "GRADE_BELOW_MIN")


async def test_a_referral_is_decided_by_an_officer_and_the_learner_reads_why(alive: Callable[[str], Life]) -> None:
    life, databases = alive("referred"), "delmere:databases"
    enrolment_id = await life.enrols(CERTIFICATE)
    completion_id = await life.completes(databases)
    await life.becomes(CERTIFICATE, databases, "REFERRED", "LEVEL_AMBIGUOUS")
    async with life.whole.at_as("recognition-api", "officer", member="eastmoor") as http:

        async def queue() -> list[str]:
            asked = {"learning_opportunity": databases, "limit": "200"}
            return [one["completion_id"] for one in (await http.get("/referrals", params=asked)).json()["items"]]

        assert completion_id in await queue()
        address = f"/referrals/{completion_id}/{enrolment_id}"
        read = await http.get(address)
        assert read.json()["evidence"]["completion"]["completion_id"] == completion_id
        ruling: JSON = {
            "recognise": [{"slot": "GENERAL", "credits": "10", "level": 4}],
            "reasons": "Its outcomes are those of level 4.",
        }
        headers = {"If-Match": read.headers["ETag"]}
        assert (await http.put(f"{address}/decision", json=ruling, headers=headers)).status_code == 200
        assert completion_id not in await queue()
    entry = await life.becomes(CERTIFICATE, databases, "RECOGNISED", "OFFICER")
    assert (credits_of(entry), entry["cause"]) == ([("10", 4)], "officer")
    assert ruling["reasons"] in str(entry["grounds"])
    async with life.whole.at_as("recognition-api", "officer", member="northbridge") as http:
        assert (await http.get(address)).status_code in (403, 404), "another member's"
