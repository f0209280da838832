"""The application of every service, built as its process builds it and never served: for what it says of itself."""

from importlib import import_module
from typing import cast

from fastapi import FastAPI

from chassis.clock import system_clock
from chassis.database import Pool
from chassis.migrate import SERVICES
from chassis.settings import Settings


async def applications() -> dict[str, FastAPI]:
    """By the service's name."""
    settings = Settings(
        service_database_url="postgresql://nobody@127.0.0.1/none",
        oidc_issuer="http://issuer.test",
        oidc_client_id="portal",
        oidc_client_secret="of-these-tests",  # noqa: S106
        learner_id_key="a key of thirty-two bytes or more, for these tests",
        public_url="http://pages.test",
        provider_url="http://provider.test",
        learner_record_url="http://record.test",
    )
    built = {}
    for service in SERVICES:
        parts = await import_module(f"services.{service}.main").build(settings, cast(Pool, None), system_clock)
        built[service] = parts.app
    return built
