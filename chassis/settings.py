"""The settings of a process, from its environment; docker-compose.yml lists them for every service."""

from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import BeforeValidator, Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

Zone = Annotated[ZoneInfo, BeforeValidator(lambda name: ZoneInfo(name) if isinstance(name, str) else name)]


class Settings(BaseSettings):
    """What a process of any service may be told; a service reads what it needs."""

    model_config = SettingsConfigDict(frozen=True, arbitrary_types_allowed=True, env_ignore_empty=True)

    service_database_url: SecretStr = Field(description="Connection to the service's own database, under its own role.")
    database_pool_size: int = Field(8, ge=2, description="Connections a process holds at most.")
    kafka_bootstrap_servers: str = Field("127.0.0.1:9092", description="Brokers, separated by commas.")
    http_host: str = Field("127.0.0.1", description="Address the API listens on.")
    http_port: int = Field(8000, description="Port of the API.")
    metrics_port: int = Field(9000, description="Port of metrics, and of a worker's health.")
    oidc_issuer: str = Field("", description="Whose tokens are accepted.")
    oidc_audience: str = Field("concord", description="For whom a token must be.")
    oidc_jwks_url: str = Field("", description="Where the issuer's keys are; the issuer's `/jwks` where it is empty.")
    oidc_client_id: str = Field("", description="The client this process is at the issuer, where it asks for tokens.")
    oidc_client_secret: SecretStr = Field(SecretStr(""), description="That client's secret.")
    learner_id_key: SecretStr = Field(SecretStr(""), description="Key of the learners' pseudonyms.")
    learner_scheme: Literal["ESI", "ULN"] = Field("ESI", description="The consortium's one identifier scheme.")
    consortium: str = Field("concord", description="The consortium's id, in the `ce_source` of its events.")
    time_zone: Zone = Field(ZoneInfo("UTC"), description="In which a date is a day.")
    public_url: str = Field("", description="The address under which people reach this service.")
    provider_url: str = Field("", description="Base address of the provider service.")
    recognition_url: str = Field("", description="Base address of the recognition service.")
    learner_record_url: str = Field("", description="Base address of the learner-record service.")
    operations_url: str = Field("", description="Base address of the operations service.")
    portal_url: str = Field("", description="Base address of the portal.")
    session_timeout_ms: int = Field(10_000, ge=1_000, description="After which silence a consumer is taken for dead.")
    set_aside_in_a_row: int = Field(25, ge=1, description="Learners set aside in a row before the consumer stops.")

    @property
    def jwks_url(self) -> str:
        """Where the keys of the issuer are."""
        return self.oidc_jwks_url or f"{self.oidc_issuer.rstrip('/')}/jwks"
