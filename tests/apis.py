"""The application of a service, built as its process builds it and never served."""

from importlib import import_module
from typing import cast

from fastapi import FastAPI

from chassis.clock import system_clock
from chassis.database import Pool
from chassis.migrate import SERVICES
from chassis.settings import Settings


async def application(service: str, pool: Pool, **told: str) -> FastAPI:
    """One service's, on a database; `told` are settings in the place of the usual ones."""
    usual = {
        "oidc_client_id": "portal",
        "oidc_client_secret": "of-these-tests",
        "learner_id_key": "a key of thirty-two bytes or more, for these tests",
        "public_url": "http://pages.test",
        "provider_url": "http://provider.test",
        "learner_record_url": "http://record.test",
    }
    settings = Settings(**{**usual, **told})  # type: ignore[arg-type]  # pydantic reads them from texts
    parts = await import_module(f"services.{service}.main").build(settings, pool, system_clock)
    app: FastAPI = parts.app
    return app


async def applications() -> dict[str, FastAPI]:
    """Every service's, on no database, by the service's name."""
    told = {"service_database_url": "postgresql://nobody@127.0.0.1/none", "oidc_issuer": "http://issuer.test"}
    return {service: await application(service, cast(Pool, None), **told) for service in SERVICES}
