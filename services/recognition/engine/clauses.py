"""How a ground is made: on a clause of the agreement, of the award definition, or on the consortium's own rule.

A clause is a JSON pointer into the published document; the consortium's rules have names (documents.md).
"""

from services.recognition.engine.model import CONSORTIUM, Agreement, Award, Ground, State
from services.recognition.engine.sentences import sentence_of


def by_agreement(
    agreement: Agreement, clause: str, code: str, state: State, /, *, variant: str = "", **compared: str
) -> Ground:
    """A ground that rests on the clause at this pointer of the agreement."""
    sentence = _sentence(code, variant, compared)
    return Ground(code, state, clause, agreement.id, agreement.version, tuple(compared.items()), sentence)


def by_award(award: Award, clause: str, code: str, state: State, /, *, variant: str = "", **compared: str) -> Ground:
    """A ground that rests on the clause at this pointer of the award definition."""
    sentence = _sentence(code, variant, compared)
    return Ground(code, state, clause, award.id, award.version, tuple(compared.items()), sentence)


def by_consortium(rule: str, code: str, state: State, /, *, variant: str = "", **compared: str) -> Ground:
    """A ground that rests on the consortium's rule of this name, whatever is agreed."""
    return Ground(code, state, rule, CONSORTIUM, None, tuple(compared.items()), _sentence(code, variant, compared))


def _sentence(code: str, variant: str, compared: dict[str, str]) -> str:
    kind = code.partition(":")[0]
    return sentence_of(f"{kind}.{variant}" if variant else kind, compared)
