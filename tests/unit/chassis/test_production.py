"""What production refuses of a process's settings, one by one; what it asks servers is tested on servers."""

import pytest
from pydantic import SecretStr

from chassis import production
from chassis.kafka import Access
from chassis.production import Admission, Refused
from chassis.settings import Settings, Surroundings, read

WELL = {
    "ENVIRONMENT": "production",
    "SERVICE_DATABASE_URL": "postgresql://provider:p@db.example.org/provider?sslmode=verify-full&sslrootcert=/ca.pem",
    "KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
    "KAFKA_USERNAME": "provider",
    "KAFKA_PASSWORD": "a-password-of-production",
    "LEARNER_ID_KEY": "hG3x0pZq9RkVtW5mYb7cN1dLs8fJ2aUe",
    "OIDC_ISSUER": "https://issuer.example.org",
    "PUBLIC_URL": "https://provider.example.org",
    "PORTAL_URL": "https://portal.example.org",
    "OPERATIONS_URL": "https://operations.example.org",
}


async def admit(**changes: str) -> None:
    asks_no_server = [
        *production.OF_EVERY_PROCESS,
        *(each for each in production.OF_A_WORKER if each.name == "kafka_is_private"),
    ]
    await Admission(read(Settings, WELL | changes), asks_no_server).run()


async def test_all_is_well() -> None:
    await admit()


@pytest.mark.parametrize(
    ("name", "changes", "words"),
    [
        ("kafka_is_private", {"KAFKA_SECURITY_PROTOCOL": "PLAINTEXT"}, "must be SASL_SSL"),
        ("kafka_is_private", {"KAFKA_SECURITY_PROTOCOL": "SSL"}, "must be SASL_SSL"),
        (
            "databases_are_verified",
            {"SERVICE_DATABASE_URL": "postgresql://provider:p@127.0.0.1/provider"},
            "SERVICE_DATABASE_URL must end with ?sslmode=verify-full",
        ),
        (
            "databases_are_verified",
            {"SERVICE_DATABASE_URL": "postgresql://provider:p@db.example.org/provider?sslmode=require"},
            "SERVICE_DATABASE_URL must end with ?sslmode=verify-full",
        ),
        (
            "secrets_are_not_for_development",
            {"LEARNER_ID_KEY": "development-hG3x0pZq9RkVtW5mYb7cN1dLs8fJ2aUe"},
            "LEARNER_ID_KEY comes from `make env`",
        ),
        (
            "secrets_are_not_for_development",
            {"SERVICE_DATABASE_URL": WELL["SERVICE_DATABASE_URL"].replace(":p@", ":development-x@")},
            "SERVICE_DATABASE_URL comes from `make env`",
        ),
        ("secrets_are_not_for_development", {"LEARNER_ID_KEY": "short"}, "openssl rand"),
        ("secrets_are_not_for_development", {"LEARNER_ID_KEY": "abcd" * 10}, "openssl rand"),
        ("secrets_are_not_for_development", {"LEARNER_ID_KEY": "a phrase of an example, in words"}, "openssl rand"),
        ("public_addresses_are_encrypted", {"OIDC_ISSUER": "http://issuer.example.org"}, "OIDC_ISSUER"),
        ("public_addresses_are_encrypted", {"PUBLIC_URL": "http://provider.example.org"}, "PUBLIC_URL"),
        ("public_addresses_are_encrypted", {"PORTAL_URL": "https://localhost:8000"}, "PORTAL_URL"),
    ],
)
async def test_what_is_not_well_is_refused_by_its_name(name: str, changes: dict[str, str], words: str) -> None:
    with pytest.raises(Refused) as refused:
        await admit(**changes)
    assert str(refused.value).startswith(f"{name}: ")
    assert words in str(refused.value)


async def test_all_that_is_wrong_is_said_at_once() -> None:
    with pytest.raises(Refused) as refused:
        await admit(KAFKA_SECURITY_PROTOCOL="PLAINTEXT", LEARNER_ID_KEY="short", PUBLIC_URL="http://provider")
    assert len(str(refused.value).splitlines()) == 3


async def test_development_takes_what_production_refuses() -> None:
    await admit(ENVIRONMENT="development", KAFKA_SECURITY_PROTOCOL="PLAINTEXT", LEARNER_ID_KEY="short")


def test_a_wrong_variable_is_named_with_what_would_be_right() -> None:
    with pytest.raises(ValueError, match="SERVICE_DATABASE_URL: Field required"):
        read(Settings, {})
    with pytest.raises(ValueError, match=r"KAFKA_SECURITY_PROTOCOL: Input should be 'PLAINTEXT', 'SSL'"):
        read(Surroundings, {"KAFKA_SECURITY_PROTOCOL": "TLS"})
    with pytest.raises(ValueError, match="needs KAFKA_USERNAME and KAFKA_PASSWORD"):
        Access.of(Surroundings(kafka_security_protocol="SASL_SSL"))
    with pytest.raises(ValueError, match=r"KAFKA_CA_FILE: /nowhere\.pem must be a PEM file"):
        Access.of(
            Surroundings(
                kafka_security_protocol="SASL_SSL",
                kafka_username="provider",
                kafka_password=SecretStr("p"),
                kafka_ca_file="/nowhere.pem",
            )
        )


def test_a_password_shows_in_nothing_that_is_logged() -> None:
    assert "secret-of-kafka" not in repr(Access("SASL_SSL", username="provider", password="secret-of-kafka"))  # noqa: S106
