"""What learners ask for on their record's page: they choose what counts first, and appeal.

A form that was accepted leads back to the record (303), where what came of it stands; one that was not leaves the
record's page with the reason and with what was filled in.
"""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Form
from starlette.responses import RedirectResponse, Response

from chassis.identity import Role, public
from chassis.pages.site import NotSignedIn, Visitor, must_be_own_form
from chassis.pages.templating import Templates
from chassis.problems import Problem
from services.portal.pages import LONGEST_STATEMENT, Anybody, Learner, Member, RecordPages, Trouble
from services.portal.upstream import Upstream

FormToken = Annotated[str, Form(max_length=100)]
Ticked = Annotated[str, Form(max_length=10)]


def routes(upstream: Upstream, pages: Templates, records: RecordPages) -> APIRouter:
    """The forms' addresses, which ask the learner record with the visitor's own token."""
    router = APIRouter(include_in_schema=False)

    @router.get("/{member}/choices/{enrolment_id}")
    @router.get("/{member}/appeals/{decision_id}")
    @public
    async def back_to_the_record(member: Member) -> Response:
        """The record, for whoever comes to a form's address without a form: after signing in, or from the history."""
        return RedirectResponse(f"/{member}/", status_code=303)

    @router.post("/{member}/choices/{enrolment_id}")
    async def choose(
        member: Member,
        enrolment_id: UUID,
        visitor: Learner,
        chosen: Annotated[list[str], Form(max_length=500)] = [],  # noqa: B006 - FastAPI copies it
        take_back: Ticked = "",
    ) -> Response:
        """Count these first, in this order, in an enrolment; or take the choice back."""
        wanted = [] if take_back else [one for one in chosen if one]
        try:
            if not (wanted or take_back):
                raise Problem(422, "Choose at least one.")
            await upstream.choose(visitor.session.access_token, enrolment_id, wanted)
        except NotSignedIn:
            raise
        except Problem as problem:
            trouble = Trouble(enrolment_id, problem.detail, chosen=tuple(wanted))
            return await records.whole(visitor, member, trouble=trouble, status=problem.status)
        return RedirectResponse(f"/{member}/#enrolment-{enrolment_id}", status_code=303)

    @router.post("/{member}/appeals/{decision_id}")
    @public
    async def appeal(
        member: Member,
        decision_id: UUID,
        visitor: Anybody,
        entry_id: Annotated[UUID, Form()],
        form_token: FormToken = "",
        stage: Annotated[int, Form(ge=1, le=20)] = 1,
        statement: Annotated[str, Form()] = "",
        withdraw: Ticked = "",
    ) -> Response:
        """Appeal against a decision, take the appeal to its next stage, or withdraw it.

        What was written may be long: it is never lost, not even where the session ended or the record is away.
        """
        # Browsers send every end of a line as two characters, and counted it as one.
        written = statement.replace("\r\n", "\n").strip()
        try:
            token = _own(visitor, form_token).session.access_token
            if withdraw:
                await upstream.appeal(token, decision_id, stage=stage, statement="Withdrawn.", withdrawn=True)
            else:
                _can_be_sent(written)
                await upstream.appeal(token, decision_id, stage=stage, statement=written)
        except Problem as problem:
            trouble = Trouble(entry_id, problem.detail, statement=written)
            return await _not_sent(member, visitor, problem, trouble)
        return RedirectResponse(f"/{member}/#entry-{entry_id}", status_code=303)

    async def _not_sent(member: str, visitor: Visitor | None, problem: Problem, trouble: Trouble) -> Response:
        if visitor is not None and not isinstance(problem, NotSignedIn):
            try:
                return await records.whole(visitor, member, trouble=trouble, status=problem.status)
            except Problem as away:
                problem = away
        return pages.page(
            "not_sent.html",
            status=problem.status,
            headers=problem.headers,
            visitor=visitor,
            face=await upstream.face(member),
            problem=problem,
            trouble=trouble,
        )

    return router


def _own(visitor: Visitor | None, form_token: str) -> Visitor:
    """The learner whose form it is. Raises NotSignedIn, and the Problem 403."""
    if visitor is None or not visitor.principal.has(Role.LEARNER):
        raise NotSignedIn
    must_be_own_form(visitor, form_token)
    return visitor


def _can_be_sent(written: str) -> None:
    if not written:
        raise Problem(422, "Write why it should be decided otherwise.")
    if len(written) > LONGEST_STATEMENT:
        raise Problem(422, f"Write {LONGEST_STATEMENT:,} characters at most; these are {len(written):,}.")
