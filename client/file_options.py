"""The options of commands that read files of completions: which file, and what ELMO does not say."""

from typing import Annotated, Final

import typer

from client.formats.elmo import MarkScale, Own
from contracts.event import Framework

_ELMO: Final = "What ELMO does not say (files that Concord wrote need none of it)"
_IDENTITY: Final = "Nor of the assessments"

File = Annotated[
    str,
    typer.Argument(
        help="Completions as NDJSON, as CSV with a header, or as ELMO (EMREX); `-` for standard input.",
        metavar="FILE",
        show_default=False,
    ),
]
Member = Annotated[
    str,
    typer.Option(
        metavar="ID",
        help="Your id in the consortium, with which your ids begin.",
        rich_help_panel=_ELMO,
        show_default=False,
    ),
]
LearnerType = Annotated[
    str,
    typer.Option(metavar="TYPE", help="The learner's identifier that is your own reference.", rich_help_panel=_ELMO),
]
OpportunityType = Annotated[
    str,
    typer.Option(
        metavar="TYPE", help="The identifier that is your code of the learning opportunity.", rich_help_panel=_ELMO
    ),
]
CompletionType = Annotated[
    str,
    typer.Option(
        metavar="TYPE",
        help="The identifier that names the completion; else its reference is made of learner, code and day.",
        rich_help_panel=_ELMO,
        show_default=False,
    ),
]
OfFramework = Annotated[
    Framework | None,
    typer.Option(
        "--framework",
        metavar="NAME",
        help="FHEQ, SCQF, EQF or NFQ: whose level and credit are taken, where there are several.",
        rich_help_panel=_ELMO,
        show_default=False,
    ),
]
OpportunityVersion = Annotated[
    int, typer.Option(min=1, metavar="N", help="The version of the learning opportunities.", rich_help_panel=_ELMO)
]
Revision = Annotated[
    int,
    typer.Option(
        min=1, metavar="N", help="The revision of the completions; a higher one corrects.", rich_help_panel=_ELMO
    ),
]
IdentityVerified = Annotated[
    bool | None,
    typer.Option(
        "--identity-verified/--no-identity-verified",
        help="Whether it was verified then who the learner is.",
        rich_help_panel=_IDENTITY,  # apart, since its two names would leave the others no room
        show_default=False,
    ),
]
Scale = Annotated[
    tuple[str, str, str] | None,
    typer.Option(
        "--mark-scale",
        metavar="LOW PASS HIGH",
        help="The scale of results that are numbers; else no mark is taken.",
        rich_help_panel=_ELMO,
        show_default=False,
    ),
]
Language = Annotated[str, typer.Option(metavar="CODE", help="Which of several titles is taken.", rich_help_panel=_ELMO)]


def own(
    member: str,
    learner_type: str,
    opportunity_type: str,
    completion_type: str,
    framework: Framework | None,
    opportunity_version: int,
    revision: int,
    identity_verified: bool | None,
    mark_scale: tuple[str, str, str] | None,
    language: str,
) -> Own:
    """What the options say of ELMO files."""
    return Own(
        member=member or None,
        learner_type=learner_type,
        opportunity_type=opportunity_type,
        completion_type=completion_type or None,
        framework=framework,
        version=opportunity_version,
        revision=revision,
        identity_verified=identity_verified,
        mark_scale=MarkScale(*mark_scale) if mark_scale else None,
        language=language,
    )
