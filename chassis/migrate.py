"""Migrations of a service's database with Alembic: their SQL stands in `services/<service>/migrations`."""

from importlib.resources import files
from typing import Final

import asyncpg
import structlog
from alembic import command, op
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

log = structlog.get_logger()

SERVICES: Final = ("provider", "recognition", "learner_record", "portal", "operations")
"""The services that own a database."""


def execute(*statements: str) -> None:
    """Run statements in a migration, one by one: the driver prepares each, and a prepared text holds only one."""
    for statement in statements:
        # SQLAlchemy reads `:name` as a parameter; a migration has none.
        op.execute(text(statement.replace(":", r"\:")))


async def upgrade(service: str, owner_url: str) -> None:
    """Bring a service's database to the newest version, as its owner; what is there already is left alone.

    A database that a newer version has migrated is left as it is: this version runs on it too (ADR 24).
    """
    config = Config()
    config.set_main_option("script_location", str(files("chassis").joinpath("migration_environment")))
    config.set_main_option("version_locations", str(files("services").joinpath(service, "migrations")))
    config.set_main_option("path_separator", "newline")

    def run(connection: Connection) -> None:
        known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
        newer = set(MigrationContext.configure(connection).get_current_heads()) - known
        if newer:
            log.warning("a newer version has migrated this database; it is left as it is", service=service, at=newer)
            return
        config.attributes["connection"] = connection
        command.upgrade(config, "heads")

    # The driver reads the address itself, since SQLAlchemy does not know its `sslmode` and `sslrootcert`.
    engine = create_async_engine(
        "postgresql+asyncpg://", async_creator=lambda: asyncpg.connect(owner_url), poolclass=NullPool
    )
    try:
        async with engine.begin() as connection:
            # Two set-ups at once: the second waits here, and then finds nothing left to do.
            await connection.execute(text("SELECT pg_advisory_xact_lock(hashtext('concord migrations'))"))
            await connection.run_sync(run)
    finally:
        await engine.dispose()
