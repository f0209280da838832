"""Prepares an installation once: databases, roles, migrations and topics. `python -m deploy.setup`, as often as wanted.

Each service has a database of its own and two roles: `<service>_owner` runs the migrations and owns the tables,
`<service>` is what the service logs in as and has only the rights that the migrations grant (ADR 20).
"""

import asyncio
import os
import secrets
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from urllib.parse import quote, unquote, urlsplit, urlunsplit

import asyncpg
import structlog
from pydantic import Field, SecretStr

from chassis import migrate, production, topics
from chassis.kafka import Access
from chassis.production import Admission, Refused
from chassis.settings import Surroundings, read

log = structlog.get_logger()


class Installation(Surroundings):
    """What the set-up of an installation is told."""

    postgres_owner_url: SecretStr = Field(description="Connection to PostgreSQL as its superuser.")
    provider_database_url: SecretStr = Field(description="The provider service's SERVICE_DATABASE_URL.")
    recognition_database_url: SecretStr = Field(description="The recognition service's.")
    learner_record_database_url: SecretStr = Field(description="The learner-record service's.")
    portal_database_url: SecretStr = Field(description="The portal's.")
    operations_database_url: SecretStr = Field(description="The operations service's.")
    kafka_replication: int = Field(1, ge=1, description="Brokers that keep each record; from 3 on, two must have it.")

    @property
    def service_urls(self) -> dict[str, str]:
        """Each service's address of its database."""
        return {each: getattr(self, variable(each).lower()).get_secret_value() for each in migrate.SERVICES}


@asynccontextmanager
async def alone(superuser_url: str) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    """A superuser's connection whose holder is the only one that prepares this server."""
    connection = await asyncpg.connect(superuser_url, timeout=10)
    try:
        await connection.execute("SELECT pg_advisory_lock(hashtext('concord setup'))")
        yield connection
    finally:
        await connection.close()


async def ensure_role(connection: "asyncpg.Connection[asyncpg.Record]", role: str, password: str) -> None:
    """A role that may log in with this password and has no other right by itself."""
    known = await connection.fetchval("SELECT true FROM pg_roles WHERE rolname = $1", role)
    rights = "LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION"
    await _execute(connection, f"{'ALTER' if known else 'CREATE'} ROLE %I {rights} PASSWORD %L", role, password)


async def ensure_database(
    connection: "asyncpg.Connection[asyncpg.Record]", database: str, *, owner: str, user: str
) -> None:
    """A database of this owner that nobody but its owner and this user may enter, and in which only the owner makes."""
    if not await connection.fetchval("SELECT true FROM pg_database WHERE datname = $1", database):
        await _execute(connection, "CREATE DATABASE %I OWNER %I", database, owner)
    for each in (database, "postgres"):
        await _execute(connection, "REVOKE ALL ON DATABASE %I FROM PUBLIC", each)
    # The auditor compares in temporary tables of operations' database.
    rights = "CONNECT, TEMPORARY" if user == "operations" else "CONNECT"
    await _execute(connection, f"GRANT {rights} ON DATABASE %I TO %I", database, user)


async def _execute(connection: "asyncpg.Connection[asyncpg.Record]", form: str, *values: str) -> None:
    # These statements take no parameters; the server itself quotes what stands in them.
    statement = await connection.fetchval("SELECT format($1, VARIADIC $2::text[])", form, list(values))
    await connection.execute(statement)


def as_role(url: str, role: str, password: str, database: str) -> str:
    """The same server's address for another role and database."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit(
        parts._replace(netloc=f"{quote(role, safe='')}:{quote(password, safe='')}@{host}", path=f"/{quote(database)}")
    )


def variable(service: str) -> str:
    """The environment variable with the address under which a service reaches its database."""
    return f"{service.upper()}_DATABASE_URL"


async def prepare_databases(superuser_url: str, service_urls: Mapping[str, str]) -> None:
    """Make each service's roles and database, with the password and name of its address, and migrate it.

    Raises ValueError naming the variable whose address lacks something.
    """
    async with alone(superuser_url) as connection:
        for service, url in service_urls.items():
            parts = urlsplit(url)
            role, database = unquote(parts.username or ""), unquote(parts.path[1:])
            if role != service or not parts.password or not database:
                # The migrations grant to the role of the service's name.
                raise ValueError(f"{variable(service)} must name the role {service}, its password and a database")
            owner = f"{role}_owner"
            # The owner is used here alone, so its password is a new one each time, and kept nowhere.
            owner_password = secrets.token_urlsafe(24)
            await ensure_role(connection, owner, owner_password)
            await ensure_role(connection, role, unquote(parts.password))
            await ensure_database(connection, database, owner=owner, user=role)
            await migrate.upgrade(service, as_role(superuser_url, owner, owner_password, database))
            log.info("database is ready", service=service, database=database)


async def prepare(environment: Mapping[str, str]) -> None:
    """Everything that an installation needs before its services start. Raises ValueError naming a wrong variable."""
    installation = read(Installation, environment)
    access = Access.of(installation)
    await Admission(installation, production.OF_THE_SET_UP).run()
    if installation.environment == "production" and installation.kafka_replication < production.FEWEST_COPIES:
        raise ValueError(f"KAFKA_REPLICATION must be {production.FEWEST_COPIES} or more in production")
    await prepare_databases(installation.postgres_owner_url.get_secret_value(), installation.service_urls)
    created = await topics.create(
        installation.kafka_bootstrap_servers, replication=installation.kafka_replication, access=access
    )
    log.info("topics are ready", created=created)


def main() -> None:
    """Prepare what the environment names; the exit code is 1 where that fails."""
    try:
        asyncio.run(prepare(os.environ))
    except (ValueError, Refused) as wrong:
        sys.exit(str(wrong))


if __name__ == "__main__":
    main()
