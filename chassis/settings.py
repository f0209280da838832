"""The settings of a process, from its environment; docker-compose.yml lists them for every service."""

from collections.abc import Mapping
from datetime import date
from typing import Annotated, Final, Literal, TypeVar
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

Zone = Annotated[ZoneInfo, BeforeValidator(lambda name: ZoneInfo(name) if isinstance(name, str) else name)]

TRACE_ID: Final = "{trace_id}"


def _pattern_of_a_trace(value: str) -> str:
    address = urlsplit(value.replace(TRACE_ID, "", 1))
    if value and (value.count(TRACE_ID) != 1 or address.scheme not in ("http", "https") or not address.netloc):
        raise ValueError(f"not an http(s) address with {TRACE_ID} in it once: http://localhost:16686/trace/{TRACE_ID}")
    return value


TracePattern = Annotated[str, AfterValidator(_pattern_of_a_trace)]
"""The address of any trace, with `{trace_id}` where its id stands; empty where there is no viewer."""


def days_in(text: str) -> frozenset[date]:
    """The days of a setting, written as YYYY-MM-DD with commas between them; raises ValueError where one is none."""
    days = set()
    for day in filter(None, map(str.strip, text.split(","))):
        try:
            days.add(date.fromisoformat(day))
        except ValueError:
            raise ValueError(f"{day} is no day of the calendar as YYYY-MM-DD") from None
    return frozenset(days)


def _days(text: str) -> str:
    days_in(text)
    return text


Days = Annotated[str, AfterValidator(_days)]
"""Days of the calendar with commas between them; `days_in` reads it."""


def listed(text: str) -> tuple[str, ...]:
    """What a setting names with commas between."""
    return tuple(filter(None, map(str.strip, text.split(","))))


def pairs_in(text: str) -> dict[str, str]:
    """The pairs of a setting, written as ours=theirs with commas between: theirs and ours; raises ValueError."""
    found = {}
    for pair in listed(text):
        ours, _, theirs = pair.partition("=")
        if not (ours.strip() and theirs.strip()):
            raise ValueError(f"{pair} is no pair ours=theirs")
        found[theirs.strip()] = ours.strip()
    return found


def _pairs(text: str) -> str:
    pairs_in(text)
    return text


Pairs = Annotated[str, AfterValidator(_pairs)]
"""Names of ours and of somebody else's, as ours=theirs with commas between; `pairs_in` reads it."""

Known = TypeVar("Known", bound="Surroundings")


class Surroundings(BaseSettings):
    """What every process may be told of where it runs: a service's own, and the set-up of an installation."""

    model_config = SettingsConfigDict(frozen=True, arbitrary_types_allowed=True, env_ignore_empty=True)

    environment: Literal["development", "production"] = Field(
        "development", description="In production a process refuses to start on what only development may have."
    )
    kafka_bootstrap_servers: str = Field("127.0.0.1:9092", description="Brokers, separated by commas.")
    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        "PLAINTEXT", description="How Kafka is spoken to."
    )
    kafka_ca_file: str = Field("", description="PEM file of whom to trust as Kafka; the system's where it is empty.")
    kafka_sasl_mechanism: Literal["SCRAM-SHA-512", "PLAIN"] = Field(
        "SCRAM-SHA-512", description="How this process proves to Kafka who it is."
    )
    kafka_username: str = Field("", description="Who this process is to Kafka: the service's name (`make acls`).")
    kafka_password: SecretStr = Field(SecretStr(""), description="That user's password.")


class Settings(Surroundings):
    """What a process of any service may be told; a service reads what it needs."""

    service_database_url: SecretStr = Field(description="Connection to the service's own database, under its own role.")
    database_pool_size: int = Field(8, ge=2, description="Connections a process holds at most.")
    http_host: str = Field("127.0.0.1", description="Address the API listens on.")
    http_port: int = Field(8000, description="Port of the API.")
    metrics_port: int = Field(9000, description="Port of metrics, and of a worker's health.")
    oidc_issuer: str = Field("", description="Whose tokens are accepted.")
    oidc_audience: str = Field("concord", description="For whom a token must be.")
    oidc_jwks_url: str = Field("", description="Where the issuer's keys are; where it is empty the issuer says it.")
    oidc_client_id: str = Field("", description="The client this process is at the issuer, where it asks for tokens.")
    oidc_client_secret: SecretStr = Field(SecretStr(""), description="That client's secret.")
    oidc_scope: str = Field("openid profile", description="What is asked for when people sign in.")
    oidc_client_scope: str = Field("", description="What is asked for with a token of this process's own.")
    oidc_audience_parameter: Literal["", "audience", "resource"] = Field(
        "", description="By which parameter the issuer wants to be told OIDC_AUDIENCE; most want none."
    )
    oidc_subject_claim: str = Field("sub", description="The claim that says who somebody is.")
    oidc_member_claim: str = Field(
        "member", description="The claim that names the member; of several, with commas between, the first."
    )
    oidc_roles_claim: str = Field("roles", description="The claims that list somebody's roles, with commas between.")
    oidc_learner_claim: str = Field(
        "schac_personal_unique_code", description="The claim with a learner's identifier of the federation."
    )
    oidc_member_names: Pairs = Field(
        "", description="How the issuer calls the members: northbridge=northbridge.example, …; empty: as Concord does."
    )
    oidc_role_names: Pairs = Field(
        "", description="How the issuer calls the roles: officer=concord-officers, …; empty: as Concord does."
    )
    rate_limit: float = Field(
        200, ge=0, description="Requests a second that a process serves one client in the long run; 0: any number."
    )
    rate_burst: int = Field(2000, ge=1, description="Requests that one client may send at once.")
    sign_in_limit: float = Field(
        5,
        ge=0,
        description="Steps of a sign-in a second from one address, and a minute's worth at once; 0: any number.",
    )
    forwarded_allow_ips: str = Field(
        "127.0.0.1", description="Proxies whose X-Forwarded-For and -Proto are believed, with commas between."
    )
    learner_id_key: SecretStr = Field(SecretStr(""), description="Key of the learners' pseudonyms.")
    learner_scheme: Literal["ESI", "ULN"] = Field("ESI", description="The consortium's one identifier scheme.")
    consortium: str = Field("concord", description="The consortium's id, in the `ce_source` of its events.")
    time_zone: Zone = Field(ZoneInfo("UTC"), description="In which a date is a day.")
    business_holidays: Days = Field(
        "", description="No business days, beside weekends, when what people decide is due: YYYY-MM-DD, with commas."
    )
    public_url: str = Field("", description="The address under which people reach this service.")
    provider_url: str = Field("", description="Base address of the provider service.")
    recognition_url: str = Field("", description="Base address of the recognition service.")
    learner_record_url: str = Field("", description="Base address of the learner-record service.")
    operations_url: str = Field("", description="Base address of the operations service.")
    portal_url: str = Field("", description="Base address of the portal.")
    trace_url: TracePattern = Field("", description="A trace in an OTLP viewer: …/trace/{trace_id}; empty: no links.")
    synthetic_every: float = Field(0, ge=0, description="Seconds between synthetic credits; 0: none is sent.")
    synthetic_within: float = Field(30, gt=0, description="Seconds a synthetic credit has to become visible.")
    synthetic_client_secret: SecretStr = Field(SecretStr(""), description="Secret of the synthetic members' clients.")
    synthetic_learner: str = Field("", description="An identifier that is nobody's; `{period}` in it becomes the hour.")
    session_timeout_ms: int = Field(10_000, ge=1_000, description="After which silence a consumer is taken for dead.")
    set_aside_in_a_row: int = Field(25, ge=1, description="Records that fail in a row before the consumer stops.")

    @property
    def for_audience(self) -> dict[str, str]:
        """The parameter by which the issuer is told for whom a token shall be; nothing where it wants none."""
        return {self.oidc_audience_parameter: self.oidc_audience} if self.oidc_audience_parameter else {}

    @property
    def asked_with_credentials(self) -> dict[str, str]:
        """What the issuer is told besides when this process asks for a token of its own."""
        return self.for_audience | ({"scope": self.oidc_client_scope} if self.oidc_client_scope else {})


def read(kind: type[Known], environment: Mapping[str, str]) -> Known:
    """The settings in an environment; raises ValueError with a line for every variable that is wrong."""
    stated = {name.lower(): text for name, text in environment.items() if text}
    try:
        return kind.model_validate({name: text for name, text in stated.items() if name in kind.model_fields})
    except ValidationError as wrong:
        lines = [f"{str(fault['loc'][0]).upper()}: {fault['msg']}" for fault in wrong.errors(include_input=False)]
        raise ValueError("\n".join(lines)) from None
