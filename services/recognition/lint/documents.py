"""Every rule of lint, in the order in which findings are shown, and the two functions that look at a document."""

from typing import Final

from contracts.documents.agreement import Agreement
from contracts.documents.award import Award
from services.recognition.lint import awards, overlap, requirements, terms
from services.recognition.lint.catalogue import EMPTY, Catalogue
from services.recognition.lint.rule import LintRule, Report, looked_at

_SOURCE: Final = ("members", "learning_opportunities")

AGREEMENT_RULES: Final[tuple[LintRule[Agreement], ...]] = (
    LintRule("reserved-id", "the id is free", terms.id_is_free),
    LintRule("dates-reversed", "dates follow each other", terms.dates_follow_each_other),
    LintRule("range-reversed", "ranges run upwards", terms.ranges_run_upwards),
    LintRule("not-in-hundredths", "credit is in hundredths", terms.credit_is_in_hundredths),
    LintRule("several-levels-for-one", "each level is mapped once", terms.each_level_is_mapped_once),
    LintRule("denial-without-reason", "every denial has a reason", terms.every_denial_has_a_reason),
    LintRule("belongs-to-one-direction", "terms fit every direction", terms.terms_fit_every_direction),
    LintRule("empty-tree", "no tree is empty", requirements.no_tree_is_empty),
    LintRule("tree-too-large", "trees are bearable", requirements.trees_are_bearable),
    LintRule("tree-nothing-can-meet", "every tree can be met", requirements.every_tree_can_be_met),
    LintRule("overlapping-rules", "no two rules dispute", overlap.no_two_rules_dispute),
    LintRule("party-not-a-member", "parties are members", terms.parties_are_members, ("members",)),
    LintRule("nobody-takes-referrals", "somebody takes referrals", terms.somebody_takes_referrals, ("members",)),
    LintRule("nobody-takes-appeals", "somebody takes appeals", terms.somebody_takes_appeals, ("members",)),
    LintRule(
        "second-agreement",
        "no other agreement has these parties",
        terms.no_other_agreement_has_these_parties,
        ("agreements",),
    ),
    LintRule(
        "unknown-course",
        "courses are in the catalogue",
        terms.courses_are_in_the_catalogue,
        ("learning_opportunities",),
    ),
    LintRule("unknown-slot", "slots are the receiver's", requirements.slots_are_the_receivers, ("awards",)),
    LintRule("level-out-of-reach", "levels are within reach", requirements.levels_are_within_reach, _SOURCE),
    LintRule("grants-above-source", "grants are covered", requirements.grants_are_covered, _SOURCE),
)

AWARD_RULES: Final[tuple[LintRule[Award], ...]] = (
    LintRule("reserved-id", "the id is free", awards.id_is_free),
    LintRule("not-whole-credits", "credit is whole", awards.credit_is_whole),
    LintRule("party-not-a-member", "the member is one of the consortium", awards.member_is_a_member, ("members",)),
    LintRule("award-framework", "the framework is its member's", awards.framework_is_its_members, ("members",)),
    LintRule(
        "unknown-course",
        "courses are in the catalogue",
        awards.courses_are_in_the_catalogue,
        ("learning_opportunities",),
    ),
)


def lint_agreement(agreement: Agreement, catalogue: Catalogue = EMPTY) -> Report:
    """Everything that is to be refused in the agreement, as far as the catalogue lets it be seen."""
    return looked_at(agreement, AGREEMENT_RULES, catalogue)


def lint_award(award: Award, catalogue: Catalogue = EMPTY) -> Report:
    """Everything that is to be refused in the award definition, as far as the catalogue lets it be seen."""
    return looked_at(award, AWARD_RULES, catalogue)
