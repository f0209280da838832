"""What each ground says to a learner: one plain sentence, which names both sides of the comparison.

The key is the ground's code; where one code has several reasons, a variant follows a full stop. The names in braces
are those of the ground's `compared`, so a translation is another table with the same keys.
"""

from collections.abc import Mapping
from typing import Final

SENTENCES: Final[Mapping[str, str]] = {
    # The completion by itself
    "SIGNATURE": "The signature on this completion is {signature}, and only evidence with a {required} one counts.",
    "COMPLETED_IN_FUTURE": "It is dated as completed on {completed_on}, which is after the day of the claim, "
    "{claimed_on}.",
    "ULN_CHECK": "The Unique Learner Number given is not valid ({stated}); it needs {required}.",
    "IDENTITY_PLACEHOLDER": "The learner number given is {stated} and not {required}, so a person has to find "
    "out whose this is.",
    "MISSING_ELEMENT": "The completion is {stated} its {element}, which {required}, so a person has to look at it.",
    "MISSING_ELEMENT.workload": "The agreement takes {required}, and the completion states {stated} to compare with "
    "that, so a person has to look at it.",
    "MISSING_ELEMENT.mark": "The agreement asks for {required}, and the completion states {stated} to compare with "
    "that, so a person has to look at it.",
    "REVOKED": "The provider has {stated} this completion, and only one that {required} can be recognised.",
    "ID_NOT_VERIFIED_AT_ASSESSMENT": "The agreement asks for {required}, and for this completion there was {stated}.",
    "NO_AGREEMENT": "There is {stated} under which this provider's credit is recognised here, where {required} is "
    "needed, so a person decides.",
    "MEMBER_SUSPENDED": "The {member} {stated}, and only credit between {required} members is recognised without a "
    "person.",
    "AGREEMENT_NOT_IN_FORCE.before": "The agreement covers what was {basis} from {covered_from}, and this was {basis} "
    "on {judged_on}.",
    "AGREEMENT_NOT_IN_FORCE.after": "The agreement covers what was {basis} until {in_force_until}, and this was "
    "{basis} on {judged_on}.",
    "AGREEMENT_NOT_IN_FORCE.run_off": "The agreement ended on {in_force_until}, what was completed by then could be "
    "claimed until {run_off_until}, and this was completed on {completed_on} and claimed on {claimed_on}.",
    "VERSION_NOT_COVERED": "The agreement covers versions {first} to {last} of a course; this is version {version}.",
    "WORKLOAD_INCONSISTENT": "Its {hours} hours do not suit its credits: between {lowest} and {highest} hours are "
    "expected.",
    "OUTSIDE_CMF_SIZE": "The agreement takes microcredentials of {lowest} to {highest} hours, and this has {hours}.",
    "EXPLICITLY_DENIED": "The agreement names {course} as a course that it does not recognise: {reason}",
    "EXPLICITLY_DENIED.bare": "The agreement names {course} as a course that it does not recognise.",
    "EXCLUDED_COMPONENT": "The agreement leaves out components that are studied at the awarding member, and it names "
    "{course} as one.",
    "AWAITING_RESULT": "The result is still {result}; once it is {required} the claim is decided by itself.",
    "NOT_ASSESSED": "The result is {result}, and only what was assessed with a {required} is recognised.",
    "NOT_PASSED": "The result is a {result}, and only a {required} is recognised.",
    "COMPENSATED_NOT_ACCEPTED": "The result is a {result} pass, and the agreement accepts a {required} only.",
    "CURRENCY": "It was completed on {completed_on} and could be claimed for {years} years, until {current_until}; it "
    "was claimed on {claimed_on}.",
    "DUPLICATE_CLAIM": "The course {course} {granted} towards this award, and a course counts {allowed}.",
    "ALREADY_USED": "It already counts towards {award}, and the agreement permits {permitted}.",
    "LEVEL_MISSING": "The completion states {stated}, where {required} is needed, so a person has to look at it.",
    "LEVEL_UNMAPPED": "{framework} level {level} corresponds to no level of {receiver_framework}, so a person decides.",
    "LEVEL_AMBIGUOUS": "{framework} level {level} may be any of the {receiver_framework} levels {levels}, so a person "
    "decides.",
    "BELOW_HE_LEVEL": "It stands at level {level}, and the award takes nothing below level {minimum_level}.",
    "GRADE_BELOW_MIN": "The mark is {mark}, and at least {minimum_mark} is needed.",
    "LEVEL_TOO_LOW": "It stands at level {level}, and what it could count as is at level {required_level} or above.",
    # What the rules make of it
    "NO_RULE.course": "The agreement has a rule for {covered}, and none names {course}, so a person decides.",
    "NO_RULE.mark": "The agreement's rules take marks for {course} within {bands}, and the mark is {mark}, so a person "
    "decides.",
    "NO_RULE.never": "No rule that takes {course} can still be met: {in_the_way}, so a person decides.",
    "AMBIGUOUS_RULES": "Several rules of the agreement claim {course} at once, numbers {rules}, where {allowed} may, "
    "so a person decides.",
    "RULE_NOT_SATISFIED": "It counts together with other courses: you have {held}, and what is missing is {missing}.",
    "RULE_NOT_SATISFIED.waiting": "A rule would take {held}; it waits for {waits_for}.",
    "SLOT_FILLED": "It could count as {slot}, and a place that is filled {filled} is filled only {allowed}.",
    "LEVEL_MISMATCH": "The credit stands at level {level}, it would count at level {named_level}, and the agreement "
    "does not say that it may, so a person decides.",
    "GRANT_EXCEEDS_SOURCE": "The rule would grant {granted} credits, and only {source} were earned, so a person "
    "decides.",
    "GRANT_EXCEEDS_SOURCE.level": "The rule would grant {granted} credits at level {named_level} or above, and only "
    "{source} were earned there, so a person decides.",
    "EXCESS_NOT_USED": "It was worth {source} credits and {granted} count; the agreement does not use the rest.",
    "EXCESS_NOT_USED.cap": "{excess} credits more would have counted as general credit, and the award has room for "
    "{room} more.",
    "ROUNDED_DOWN": "Credit is registered in steps of {step}: of {before} credits {after} are left.",
    "ROUNDED_TO_NOTHING": "Of {before} credits {after} are left to be registered.",
    # Minimum claim and caps
    "BELOW_MIN_CLAIM": "Credit is taken from {minimum_claim} on, and so far you have {claimed}; the claim is decided "
    "again when there is more.",
    "CAP_REACHED": "The award takes {cap} credits from elsewhere, and they are used: there is no room for "
    "these {credits}.",
    "CAP_EXCEEDED": "The award takes {cap} credits from elsewhere; these are {credits}, and there is room for {room}.",
    "LEVEL_CAP_REACHED": "The award takes {cap} credits at level {level} from elsewhere, and they are used: there is "
    "no room for these {credits}.",
    "LEVEL_CAP_EXCEEDED": "The award takes {cap} credits at level {level} from elsewhere; these are {credits}, and "
    "there is room for {room}.",
    "SAME_LEVEL_CAP_REACHED": "The award takes {cap} credits that count in another award of its level too, and they "
    "are used: there is no room for these {credits}.",
    "SAME_LEVEL_CAP_EXCEEDED": "The award takes {cap} credits that count in another award of its level too; these are "
    "{credits}, and there is room for {room}.",
    "CHOICE_REQUIRED": "Not everything fits: together it is {credits} credits, and the award has room for {room}; you "
    "choose what is to count.",
}


def sentence_of(key: str, compared: Mapping[str, str]) -> str:
    """The sentence under a key, filled in with what was compared."""
    return SENTENCES[key].format_map(compared)
