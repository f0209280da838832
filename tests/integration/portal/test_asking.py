"""What learners see of an award, choose, and appeal against: without a script, before the real learner record."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from chassis.clock import system_clock
from chassis.database import transaction
from chassis.identity import Role
from contracts.event import Event
from contracts.ids import appeal_id, completion_id, decision_id, enrolment_id
from contracts.recognition_appeal import AppealChanged
from contracts.recognition_decision import Ground as Reason
from services.learner_record.application.progressing import TellProgress
from tests.integration.learner_record.ground import award, completion, decision, grant, learner_id, opportunity
from tests.integration.learner_record.test_awards import own
from tests.integration.portal.conftest import Consortium
from tests.integration.portal.forms import Form, forms
from tests.integration.portal.people import IRIS, OWEN, browser, sign_in, system_token

pytestmark = pytest.mark.servers

E_1 = enrolment_id("strathmore", "E-1")
C_1, C_2 = (completion_id("northbridge", reference) for reference in ("C-1", "C-2"))
FIRST = decision_id(C_1, E_1, 1)
WHY = "The module is the same as yours.\nSee its outcomes."


def now() -> datetime:
    return datetime.now(UTC)


def today() -> date:
    return now().date()


def no_room(code: str, state: str) -> Reason:
    return Reason(
        code=code,
        state=state,  # type: ignore[arg-type]
        document="strathmore:pgcert-data",
        version=1,
        clause="/import_cap",
        compared={"credits": "60", "room": "40"},
        sentence="Not everything fits.",
    )


@dataclass
class Learner:
    """Iris before her record at Strathmore."""

    client: httpx.AsyncClient
    url: str

    async def page(self) -> str:
        answer = await self.client.get(f"{self.url}/strathmore/")
        assert answer.status_code == 200
        return answer.text

    async def text(self) -> str:
        return plain(await self.page())

    async def form(self, part: str) -> Form:
        [form] = forms(await self.page(), part)
        return form

    async def send(self, form: Form, **changes: str | list[str]) -> httpx.Response:
        return await form.send(self.client, self.url, **changes)


def plain(page: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", page).split())


@asynccontextmanager
async def iris(consortium: Consortium) -> AsyncIterator[Learner]:
    async with browser() as client:
        await sign_in(client, f"{consortium.portal_url}/sign-in?return_to=/strathmore/", IRIS)
        yield Learner(client, consortium.portal_url)


async def declined(consortium: Consortium, **changes: Any) -> None:
    await consortium.enrol()
    await consortium.receive(completion(), decision(1, "DECLINED", decided_at=changes.pop("decided_at", now())))


def standing(revision: int = 1, **changes: Any) -> AppealChanged:
    fields: dict[str, Any] = {
        "appeal_id": appeal_id(FIRST), "revision": revision, "learner_id": learner_id("ann"),
        "receiver": "strathmore", "completion_id": C_1, "enrolment_id": E_1, "decision_id": FIRST, "stage": 1,
        "stages": 2, "state": "open", "due_on": today() + timedelta(days=20), "changed_at": now(),
    }  # fmt: skip
    return AppealChanged(**fields | changes)


async def tell_progress(consortium: Consortium) -> None:
    """What the learner record's worker does by itself."""
    async with transaction(consortium.pool) as connection:
        assert await TellProgress(consortium.pool, system_clock).once(connection)


def in_words(day: date) -> str:
    return f"{day.day} {day:%B %Y}"


# Awards


async def test_the_record_says_what_the_award_still_asks_for(consortium: Consortium) -> None:
    await consortium.receive(
        opportunity(
            learning_opportunity_id="strathmore:capstone", version=1, member="strathmore", kind="capstone",
            credits=Decimal(20), framework="SCQF", level=11,
        ),
        award(version=2, capstone="strathmore:capstone"),
        own("OWN", 30),
    )  # fmt: skip
    await consortium.enrol()
    async with iris(consortium) as learner:
        before = await learner.text()
        await consortium.receive(own("MORE", 10))
        opened = await learner.text()
        await consortium.receive(own("LAST", 20, course="strathmore:capstone"))
        complete = await learner.text()

    assert "What the award asks for Not complete yet Capstone closed" in before
    assert "To come : 30 of 60 credits: 30 are missing." in before
    assert "To come : 30 of 40 credits at level 11 or above: 10 are missing." in before
    assert "Capstone open" in opened
    assert "There : 40 of 40 credits at level 11 or above." in opened
    assert "Eligible Capstone passed" in complete
    assert "To come" not in complete


async def test_a_conferred_award_says_so_and_what_was_lost_since(consortium: Consortium) -> None:
    await consortium.receive(award(version=2, credits_required="20", minimum_by_level={}), completion())
    await consortium.enrol()
    await consortium.receive(decision(grant=grant("C-1", amount="20")))
    async with iris(consortium) as learner:
        assert "Everything is there. Strathmore University can confer the award." in await learner.text()
        await tell_progress(consortium)
        async with httpx.AsyncClient(headers=system_token(consortium.signer, "strathmore", Role.REGISTRY)) as registry:
            answer = await registry.put(
                f"{consortium.learner_record_url}/conferrals/E-1", json={}, headers={"If-Match": '"1"'}
            )
            assert answer.status_code == 201, answer.text
        conferred = await learner.text()
        await consortium.receive(decision(2, "DECLINED"))
        await tell_progress(consortium)
        lost = await learner.text()

    assert f"PGCert Data was conferred on {in_words(today())}. The enrolment is closed." in conferred
    assert "counts no more" not in conferred
    assert "counts no more: Data Ethics. Ask Strathmore University what that means for the award." in lost


# Choices


async def too_much(consortium: Consortium, *more: Event) -> None:
    await consortium.enrol()
    wait = [no_room("CHOICE_REQUIRED", "INCOMPLETE")]
    await consortium.receive(
        completion(),
        completion("C-2", title="Machine Learning"),
        completion("C-3", title="Spreadsheets"),
        decision(1, "INCOMPLETE", grounds=wait),
        decision(1, "INCOMPLETE", reference="C-2", grounds=wait),
        decision(1, "DECLINED", reference="C-3", decided_at=now()),
        *more,
    )


async def test_a_learner_puts_in_order_what_is_to_count_changes_it_and_takes_it_back(consortium: Consortium) -> None:
    await too_much(consortium)
    async with iris(consortium) as learner:
        text = await learner.text()
        form = await learner.form("/choices/")
        sent = await learner.send(form, chosen=[str(C_2), ""])
        chosen = await learner.text()
        changed = await learner.form("/choices/")
        await learner.send(changed, chosen=[str(C_1), str(C_2)])
        both = await learner.text()
        await learner.send(await learner.form("/choices/"), take_back="yes")
        back = await learner.form("/choices/")

    assert "Your choice is needed" in text
    assert "The award has no room for all of Data Ethics and Machine Learning." in text
    assert "Spreadsheets (" not in text, "what does not count for another reason is nothing to choose"
    assert form.values("chosen") == ["", ""]
    assert (sent.status_code, sent.headers["location"]) == (303, f"/strathmore/#enrolment-{E_1}")
    assert changed.values("chosen") == [str(C_2), ""]
    assert "Take the choice back" in chosen
    assert "Take the choice back" in both
    assert back.values("chosen") == ["", ""]


async def test_after_a_choice_the_record_says_what_was_chosen_and_it_can_be_changed(consortium: Consortium) -> None:
    await too_much(consortium)
    async with iris(consortium) as learner:
        await learner.send(await learner.form("/choices/"), chosen=[str(C_2), ""])
        await consortium.receive(
            decision(2, grant=grant("C-2", amount="30"), reference="C-2"),
            decision(2, "DECLINED", grounds=[no_room("CAP_EXCEEDED", "DECLINED")], decided_at=now()),
        )
        text = await learner.text()
        form = await learner.form("/choices/")

    assert "You chose Machine Learning, in this order." in text
    assert "Your choice is needed" not in text
    assert form.values("chosen") == [str(C_2), ""]


@pytest.mark.parametrize(
    ("chosen", "words", "stays"),
    [
        (["", ""], "Choose at least one.", ["", ""]),
        ([str(C_1), str(C_1)], "What is needed: each completion once.", [str(C_1), str(C_1)]),
        ([str(UUID(int=7)), str(C_1)], "What is needed: a completion that is claimed for this enrolment.", None),
    ],
)
async def test_a_choice_that_cannot_be_is_explained_where_it_was_made(
    consortium: Consortium, chosen: list[str], words: str, stays: list[str] | None
) -> None:
    await too_much(consortium)
    async with iris(consortium) as learner:
        answer = await learner.send(await learner.form("/choices/"), chosen=chosen)
        after = await learner.form("/choices/")

    assert answer.status_code == 422
    assert f"This was not sent. {words}" in plain(answer.text)
    [form] = forms(answer.text, "/choices/")
    if stays is not None:
        assert form.values("chosen") == stays
    assert after.values("chosen") == ["", ""]


async def test_a_closed_enrolment_takes_no_choice(consortium: Consortium) -> None:
    await too_much(consortium)
    async with iris(consortium) as learner:
        form = await learner.form("/choices/")
        await consortium.enrol(revision=2, closed_on="2026-08-31")
        page = await learner.page()
        late = await learner.send(form, chosen=[str(C_1)])

    assert forms(page, "/choices/") == []
    assert late.status_code == 409
    assert "The enrolment is closed, so nothing is chosen for it any more." in plain(late.text)


# Appeals


async def test_a_learner_appeals_and_withdraws(consortium: Consortium) -> None:
    await declined(consortium)
    async with iris(consortium) as learner:
        before = await learner.text()
        sent = await learner.send(await learner.form("/appeals/"), statement=WHY.replace("\n", "\r\n"))
        lodged = await learner.text()
        withdrawal = await learner.form("/appeals/")
        await learner.send(withdrawal, withdraw="yes")
        withdrawn = await learner.page()
    async with httpx.AsyncClient(headers=system_token(consortium.signer, "strathmore", Role.OFFICER)) as officer:
        read = await officer.get(f"{consortium.learner_record_url}/appeals/{appeal_id(FIRST)}/statements")

    assert f"You can also appeal here, until {in_words(today() + timedelta(days=20))}." in before
    assert "Write to the registrar, within 20 days of the decision. Stages: Registrar and Panel." in before
    assert sent.status_code == 303
    assert sent.headers["location"].startswith("/strathmore/#entry-")
    assert "Appeal lodged" in lodged
    assert "Stage 1 of 2: Registrar." in lodged
    assert withdrawal.buttons == ["withdraw"]
    assert "Appeal withdrawn" in plain(withdrawn)
    assert forms(withdrawn, "/appeals/") == []
    assert read.json()["statements"] == [{"stage": 1, "statement": WHY}]


async def test_how_an_appeal_stands_is_said_and_a_dismissed_one_goes_further(consortium: Consortium) -> None:
    await declined(consortium)
    until = today() + timedelta(days=10)
    async with iris(consortium) as learner:
        await learner.send(await learner.form("/appeals/"), statement=WHY)
        await consortium.receive(standing())
        opened = await learner.text()
        await consortium.receive(
            standing(2, state="dismissed", reasons="Its outcomes are others.", next_stage_until=until)
        )
        dismissed = await learner.text()
        further = await learner.form("/appeals/")
        await learner.send(further, statement="They are not.")
        second = await learner.text()
        await consortium.receive(standing(3, stage=2, state="dismissed", reasons="They are."))
        last = await learner.page()

    assert "Appeal open Somebody looks at the decision again." in opened
    assert f"It is to be decided by {in_words(today() + timedelta(days=20))}." in opened
    assert "Appeal dismissed" in dismissed
    assert "Reasons: Its outcomes are others." in dismissed
    assert f"Panel decides then. This is open until {in_words(until)}." in dismissed
    assert further.values("stage") == ["2"]
    assert "Stage 2 of 2: Panel." in second
    assert "There is no further stage." in plain(last)
    assert forms(last, "/appeals/") == []


async def test_an_upheld_appeal_says_so_beside_the_decision_that_it_led_to(consortium: Consortium) -> None:
    await declined(consortium)
    async with iris(consortium) as learner:
        await learner.send(await learner.form("/appeals/"), statement=WHY)
        second = decision_id(C_1, E_1, 2)
        await consortium.receive(
            standing(state="upheld", reasons="It is the same.", outcome_decision_id=second),
            decision(2, grant=grant("C-1")),
        )
        page = await learner.page()

    assert "Counts in full" in plain(page)
    assert "Appeal upheld" in plain(page)
    assert "The decision that you see is what came of it." in plain(page)
    assert "Reasons: It is the same." in plain(page)
    assert forms(page, "/appeals/") == []


async def test_a_newer_decision_can_be_appealed_against_and_what_was_written_is_kept(consortium: Consortium) -> None:
    await declined(consortium)
    async with iris(consortium) as learner:
        form = await learner.form("/appeals/")
        await consortium.receive(decision(2, "DECLINED", decided_at=now()))
        answer = await learner.send(form, statement=WHY)
        [again] = forms(answer.text, "/appeals/")
        sent = await learner.send(again)
        lodged = await learner.text()

    assert answer.status_code == 409
    assert "There is a newer decision; appeal against that one." in plain(answer.text)
    assert again.action.endswith(str(decision_id(C_1, E_1, 2)))
    assert again.values("statement") == [WHY]
    assert sent.status_code == 303
    assert "Appeal lodged" in lodged


async def test_when_it_is_too_late_the_page_says_until_when_it_was_possible(consortium: Consortium) -> None:
    await declined(consortium, decided_at=now() - timedelta(days=21))
    async with iris(consortium) as learner:
        page = await learner.page()

    assert f"An appeal was possible until {in_words(today() - timedelta(days=1))}." in plain(page)
    assert forms(page, "/appeals/") == []


@pytest.mark.parametrize("written", ["", " \r\n ", "x" * 10_001])
async def test_an_appeal_says_why_and_is_not_endless(consortium: Consortium, written: str) -> None:
    await declined(consortium)
    async with iris(consortium) as learner:
        answer = await learner.send(await learner.form("/appeals/"), statement=written)
        [again] = forms(answer.text, "/appeals/")
        text = await learner.text()

    assert answer.status_code == 422
    assert "This was not sent. Write" in plain(answer.text)
    assert again.values("statement") == [written.strip()]
    assert "Appeal lodged" not in text


async def test_what_was_written_is_there_to_copy_where_the_record_is_away(consortium: Consortium) -> None:
    await declined(consortium)
    async with iris(consortium) as learner:
        form = await learner.form("/appeals/")
        await consortium.stops["learner_record"]()
        answer = await learner.send(form, statement=WHY)

    assert answer.status_code == 503
    assert answer.headers["retry-after"]
    assert "This was not sent" in answer.text
    assert WHY in answer.text


async def test_what_was_written_is_there_to_copy_for_whoever_was_signed_out(consortium: Consortium) -> None:
    await declined(consortium)
    async with iris(consortium) as learner:
        form = await learner.form("/appeals/")
        learner.client.cookies.clear()
        answer = await learner.send(form, statement=f"{WHY}<script>")

    assert answer.status_code == 401
    assert "You have been signed out." in answer.text
    assert f"{WHY}&lt;script&gt;" in answer.text
    assert "<script>" not in answer.text


async def test_what_officers_write_is_text_and_never_markup(consortium: Consortium) -> None:
    await declined(consortium)
    async with iris(consortium) as learner:
        await learner.send(await learner.form("/appeals/"), statement=WHY)
        await consortium.receive(standing(state="dismissed", reasons="<script>alert(1)</script>"))
        page = await learner.page()

    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page


# Whose forms


@pytest.mark.parametrize("part", ["/choices/", "/appeals/"])
async def test_only_a_form_of_this_session_is_taken(consortium: Consortium, part: str) -> None:
    await too_much(consortium)
    async with iris(consortium) as learner:
        form = await learner.form(part)
        answer = await learner.send(form, form_token="f" * 64, statement=WHY, chosen=[str(C_1)])
        text = await learner.text()

    assert answer.status_code == 403
    assert "Appeal lodged" not in text
    assert "Take the choice back" not in text


@pytest.mark.parametrize("part", ["choices", "appeals"])
async def test_a_forms_address_by_itself_leads_to_the_record(consortium: Consortium, part: str) -> None:
    async with browser() as client:
        address = f"{consortium.portal_url}/strathmore/{part}/{uuid4()}"
        opened = await client.get(address)
        unsigned = await client.post(address, data={"entry_id": str(uuid4()), "statement": WHY})
        await sign_in(client, f"{consortium.portal_url}/sign-in?return_to=/", OWEN)
        no_learner = await client.post(address, data={"entry_id": str(uuid4()), "statement": WHY})

    assert (opened.status_code, opened.headers["location"]) == (303, "/strathmore/")
    assert unsigned.status_code == (303 if part == "choices" else 401)
    assert no_learner.status_code in (401, 403)
