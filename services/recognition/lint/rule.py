"""What a rule of lint is, and how a document is looked at by all of them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Final, Generic, TypeVar

from contracts.documents.findings import Finding
from services.recognition.lint.catalogue import Catalogue, Section

MAXIMUM_FINDINGS: Final = 100
"""Findings of one rule that are shown; a document with more is not read to the end by anybody."""

Document = TypeVar("Document")


@dataclass(frozen=True)
class LintRule(Generic[Document]):
    """One rule: its stable id, the sentence that is true when all is well, and the sections it needs at hand."""

    id: str
    sentence: str
    check: Callable[[Document, Catalogue], Iterator[Finding]]
    needs: tuple[Section, ...] = ()


@dataclass(frozen=True)
class NotChecked:
    """A rule that could not be checked, and the sections of the catalogue that it lacked."""

    rule: str
    sentence: str
    lacks: tuple[Section, ...]


@dataclass(frozen=True)
class Report:
    """What lint found in a document, what it looked at, and what it could not."""

    findings: tuple[Finding, ...]
    checked: tuple[str, ...]
    not_checked: tuple[NotChecked, ...]


def looked_at(document: Document, rules: tuple[LintRule[Document], ...], catalogue: Catalogue) -> Report:
    """Look at the document by every rule for which the catalogue has what it takes; no rule hides another."""
    findings: list[Finding] = []
    checked: list[str] = []
    not_checked: list[NotChecked] = []
    for rule in rules:
        lacks = tuple(section for section in rule.needs if getattr(catalogue, section) is None)
        if lacks:
            not_checked.append(NotChecked(rule.id, rule.sentence, lacks))
        else:
            checked.append(rule.id)
            findings.extend(islice(rule.check(document, catalogue), MAXIMUM_FINDINGS))
    return Report(tuple(findings), tuple(checked), tuple(not_checked))
