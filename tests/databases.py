"""Fresh databases for tests: each service's migrations run once per run, into a model that is then copied."""

from chassis import migrate
from deploy import setup


async def create(superuser_url: str, service: str, name: str, password: str) -> tuple[str, str]:
    """Make the database `name` as the service's set-up would; returns its addresses for the service and its owner.

    The roles belong to the whole server and are shared by all tests of the run.
    """
    role = service if service in migrate.SERVICES else f"test_{service}"
    owner = f"{role}_owner"
    async with setup.alone(superuser_url) as connection:
        for each in (role, owner):
            if not await connection.fetchval("SELECT true FROM pg_roles WHERE rolname = $1", each):
                await setup.ensure_role(connection, each, password)
        model = f"model_{service}"
        if service not in migrate.SERVICES:
            model = "template1"
        elif not await connection.fetchval("SELECT true FROM pg_database WHERE datname = $1", model):
            await setup.ensure_database(connection, model, owner=owner, user=role)
            await migrate.upgrade(service, setup.as_role(superuser_url, owner, password, model))
        await connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{model}" OWNER "{owner}"')
        await setup.ensure_database(connection, name, owner=owner, user=role)
    owner_url = setup.as_role(superuser_url, owner, password, name)
    return (setup.as_role(superuser_url, role, password, name) if role == service else owner_url), owner_url
