"""How a client gets into Kafka: the one place that turns settings into what aiokafka and FastStream take."""

import ssl
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from aiokafka.conn import create_conn
from aiokafka.errors import KafkaConnectionError, KafkaError, SaslAuthenticationFailed, TopicAuthorizationFailedError
from faststream.kafka.security import parse_security
from faststream.security import BaseSecurity, SASLPlaintext, SASLScram512

from chassis.settings import Surroundings


@dataclass(frozen=True)
class Access:
    """By what protocol a client speaks to Kafka, whom it trusts there, and who it says it is."""

    protocol: str = "PLAINTEXT"
    ca_file: str = ""
    mechanism: str = "SCRAM-SHA-512"
    username: str = ""
    password: str = field(default="", repr=False)

    @classmethod
    def of(cls, settings: Surroundings) -> "Access":
        """What the settings say; raises ValueError naming a variable that is missing or useless."""
        access = cls(
            settings.kafka_security_protocol,
            settings.kafka_ca_file,
            settings.kafka_sasl_mechanism,
            settings.kafka_username,
            settings.kafka_password.get_secret_value(),
        )
        if access._has_user and not (access.username and access.password):
            raise ValueError(
                f"KAFKA_SECURITY_PROTOCOL {access.protocol} needs KAFKA_USERNAME and KAFKA_PASSWORD: "
                "the service's user, which owns its topics"
            )
        _ = access.security
        return access

    @property
    def _has_user(self) -> bool:
        return self.protocol.startswith("SASL_")

    @cached_property
    def security(self) -> BaseSecurity | None:
        """For a FastStream broker."""
        context = self._context() if self.protocol.endswith("SSL") else None
        if not self._has_user:
            return None if context is None else BaseSecurity(context)
        kind = SASLScram512 if self.mechanism == "SCRAM-SHA-512" else SASLPlaintext
        return kind(self.username, self.password, ssl_context=context, use_ssl=context is not None)

    @property
    def options(self) -> dict[str, Any]:
        """For a client of aiokafka."""
        return parse_security(self.security)

    def _context(self) -> ssl.SSLContext:
        try:
            return ssl.create_default_context(cafile=self.ca_file or None)
        except (OSError, ssl.SSLError) as error:
            raise ValueError(
                f"KAFKA_CA_FILE: {self.ca_file} must be a PEM file with the certificate that signed Kafka's ({error})"
            ) from None

    async def why(self, bootstrap: str, error: BaseException) -> str:
        """What to say of a client's error: aiokafka keeps to itself why no broker let it in, so one is asked again."""
        if isinstance(error, KafkaConnectionError) and self.protocol != "PLAINTEXT":
            error = await self._refusal(bootstrap) or error
        if isinstance(error, SaslAuthenticationFailed):
            return f"Kafka, which does not know {self.username} by this password: KAFKA_USERNAME, KAFKA_PASSWORD"
        if isinstance(error, TopicAuthorizationFailedError):
            return f"Kafka, which does not give {self.username or 'this user'} the topic: run the script of `make acls`"
        if isinstance(error, ssl.SSLError):
            return f"Kafka, whose certificate is not trusted ({error.reason}): KAFKA_CA_FILE"
        return type(error).__name__

    async def _refusal(self, bootstrap: str) -> BaseException | None:
        for broker in bootstrap.split(","):
            host, _, port = broker.strip().rpartition(":")
            try:
                connection = await create_conn(host, int(port), request_timeout_ms=5_000, **self.options)
            except (SaslAuthenticationFailed, ssl.SSLError) as error:
                return error
            except (KafkaError, OSError, TimeoutError):
                continue  # this one is away; another may say more
            connection.close()
        return None


OPEN = Access()
"""Anybody, in plain text: what the local broker takes."""
