"""Drafts of agreements and award definitions, and who has approved which bytes of them."""

from chassis.migrate import execute

revision = "recognition_0004"
down_revision = "recognition_0003"
branch_labels = None
depends_on = None

# The highest revision is the draft as it is now; what it was before stays, since somebody may have approved it.
DOCUMENT_DRAFT = """
CREATE TABLE document_draft (
    kind text NOT NULL CHECK (kind IN ('agreement', 'award')),
    id text COLLATE "C" NOT NULL,
    version integer NOT NULL CHECK (version >= 1),
    revision integer NOT NULL CHECK (revision >= 1),
    members text[] NOT NULL CHECK (cardinality(members) > 0),
    document jsonb NOT NULL,
    document_hash text NOT NULL,
    drafted_by text NOT NULL,
    drafted_at timestamptz NOT NULL,
    PRIMARY KEY (kind, id, version, revision)
)
"""

# An approval is of bytes, by their hash: it counts for no other content of the version.
APPROVAL = """
CREATE TABLE approval (
    kind text NOT NULL CHECK (kind IN ('agreement', 'award')),
    id text COLLATE "C" NOT NULL,
    version integer NOT NULL,
    document_hash text NOT NULL,
    member text COLLATE "C" NOT NULL,
    approved_by text NOT NULL,
    approved_at timestamptz NOT NULL,
    PRIMARY KEY (kind, id, version, document_hash, member)
)
"""


def upgrade() -> None:
    execute(
        DOCUMENT_DRAFT,
        APPROVAL,
        "GRANT SELECT, INSERT ON document_draft, approval TO recognition",
    )
