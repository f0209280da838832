"""A learner's completions as ELMO 1.7, which EMREX carries (docs/elmo.md; contracts/elmo/schema.xsd).

Every field of a completion stands in the ELMO element that means it. What ELMO has no element for, and text that its
elements cannot hold, stands in an `extension` under Concord's own namespace, named as in documents.md; so what was
published can be had again from the file, to the letter.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from lxml import etree

from chassis.clock import instant
from contracts.elmo import CONCORD, CONCORD_ID, COUNTRIES, EMREX, RESULTS, SCHEMES, STATUSES

JSON = dict[str, Any]

_NOT_IN_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_WHITE_SPACE: Final = re.compile("[ \t\n\r]+")

_IN_ELMO: Final = frozenset(
    {"reference", "learner", "learning_opportunity", "credits", "framework", "level", "result", "mark", "completed_on"}
) | {"title"}
"""Fields that have an element of ELMO's own; all others go into the extension."""


@dataclass(frozen=True, slots=True)
class Credit:
    """A completion as a document, and what it is called where that says nothing of it."""

    document: JSON
    called: str


@dataclass(frozen=True, slots=True)
class Report:
    """A member's completions; `country` and `ukprn` where the member is known."""

    member: str
    name: str
    credits: Sequence[Credit]
    country: str | None = None
    ukprn: str | None = None


def written(scheme: str, identifier: str, reports: Sequence[Report], at: datetime) -> bytes:
    """The ELMO of a learner, under the one identifier that the members share; there is at least one report."""
    root = etree.Element(_elmo("elmo"), nsmap={None: EMREX})
    _add(root, "generatedDate", instant(at))
    learner = _add(root, "learner")
    _add(learner, "identifier", identifier, type=scheme.lower())
    # ELMO asks for them; Concord keeps no names (docs/privacy.md), and says so as ELMO wants it.
    _add(learner, "givenNames", "")
    _add(learner, "familyName", "")
    for report in reports:
        _report(root, report, at)
    return etree.tostring(root, encoding="UTF-8", xml_declaration=True, pretty_print=True)


def _report(root: etree._Element, report: Report, at: datetime) -> None:
    element = _add(root, "report")
    issuer = _add(element, "issuer")
    if report.country in COUNTRIES:
        _add(issuer, "country", report.country)
    _add(issuer, "identifier", report.member, type=CONCORD_ID)
    if report.ukprn:
        _add(issuer, "identifier", report.ukprn, type="ukprn")
    _add(issuer, "title", report.name)
    _add(issuer, "url", "")  # no member states one
    for credit in report.credits:
        _specification(element, credit)
    _add(element, "issueDate", instant(at))


def _specification(report: etree._Element, credit: Credit) -> None:
    document = credit.document
    opportunity = document["learning_opportunity"]["id"]
    element = _add(report, "learningOpportunitySpecification")
    _add(element, "identifier", opportunity.partition(":")[2], type="local")
    _add(element, "identifier", opportunity, type=CONCORD_ID)
    _add(element, "title", document.get("title", credit.called))
    _add(element, "type", "Course")  # "the smallest entity for the students to be able to gain ECTS credits from"
    _instance(_add(_add(element, "specifies"), "learningOpportunityInstance"), document)


def _instance(element: etree._Element, document: JSON) -> None:
    status = "failed" if document.get("revoked") else STATUSES[document["result"]]
    _add(element, "identifier", document["reference"], type=CONCORD_ID)
    _add(element, "date", document["completed_on"])
    _add(element, "status", status)
    if "mark" in document:
        _add(element, "resultLabel", document["mark"])
    # ELMO's credit is what was acquired, and some readers look at nothing else.
    if status == "passed":
        acquired = _add(element, "credit")
        _add(acquired, "scheme", SCHEMES[document["framework"]])
        _add(acquired, "value", document["credits"])
    level = _add(element, "level")
    _add(level, "type", document["framework"])
    if "level" in document:
        _add(level, "value", str(document["level"]))
    completion = etree.SubElement(_add(element, "extension"), _own("completion"), nsmap={None: CONCORD})
    for name, value in _beside(document, status).items():
        _state(completion, name, value)


def _beside(document: JSON, status: str) -> JSON:
    """What ELMO's elements do not say of a completion, or cannot hold."""
    opportunity = document["learning_opportunity"]
    held = {
        "reference": document["reference"],
        "learning_opportunity": opportunity["id"],
        "title": document.get("title"),
    }
    return {
        "learner_reference": document["learner"]["reference"],
        "version": opportunity["version"],
        **{name: text for name, text in held.items() if text is None or _token(text) != text},
        **({} if RESULTS[status] == document["result"] else {"result": document["result"]}),
        **({} if status == "passed" else {"credits": document["credits"]}),
        **{name: value for name, value in document.items() if name not in _IN_ELMO},
    }


def _state(parent: etree._Element, name: str, value: Any) -> None:
    """A value as an element of Concord's: parts inside parts, and text to the letter."""
    element = etree.SubElement(parent, _own(name))
    if value is None:
        element.set("nil", "true")
    elif isinstance(value, dict):
        for part, stated in value.items():
            _state(element, part, stated)
    elif isinstance(value, list):
        for item in value:
            _state(element, "item", item)
    elif isinstance(value, bool):
        element.text = "true" if value else "false"
    elif _NOT_IN_XML.search(text := str(value)):
        element.set("escaped", "json")
        in_json = json.dumps(text, ensure_ascii=False)
        element.text = _NOT_IN_XML.sub(lambda found: f"\\u{ord(found[0]):04x}", in_json)
    else:
        element.text = text


def _add(parent: etree._Element, name: str, text: str | None = None, **attributes: str) -> etree._Element:
    element = etree.SubElement(parent, _elmo(name), attributes)
    element.text = None if text is None else _token(text)
    return element


def _token(text: str) -> str:
    """Text as XML Schema's `token` holds it: no character that XML lacks, and no white space but single spaces."""
    return _WHITE_SPACE.sub(" ", _NOT_IN_XML.sub("\N{REPLACEMENT CHARACTER}", text)).strip(" ")


def _elmo(name: str) -> str:
    return f"{{{EMREX}}}{name}"


def _own(name: str) -> str:
    return f"{{{CONCORD}}}{name}"
