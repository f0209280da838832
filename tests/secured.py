"""Servers as production has them, on this machine: a Kafka with TLS, users and rights, and a PostgreSQL with TLS."""

import asyncio
import os
import secrets
import shutil
import signal
import subprocess
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from ipaddress import ip_address
from pathlib import Path

import asyncpg
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.protocol.admin import CreateAclsRequest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from chassis.kafka import Access
from deploy import acls
from deploy.local import processes
from deploy.local.kafka import Broker, Kafka
from deploy.local.ports import LOOPBACK, free_port
from deploy.local.postgres import user_namespaces_work
from tests.eventually import eventually

PASSWORD = "of-the-users-of-this-test"  # noqa: S105  # on servers that end with the test
SCRAM_USER = "learner_record"
PLAIN_USERS = ("setup", "provider", "recognition", "operations")
"""These log in by PLAIN, which takes no start of Java for each; both ways are tried."""


@dataclass(frozen=True)
class Certificates:
    """A certificate authority of a test's own, and a certificate of it for this machine."""

    folder: Path

    @property
    def authority(self) -> Path:
        """The authority's own certificate, PEM."""
        return self.folder / "authority.pem"

    @property
    def certificate(self) -> Path:
        return self.folder / "certificate.pem"

    @property
    def key(self) -> Path:
        return self.folder / "key.pem"

    @property
    def both(self) -> Path:
        """Key and certificate in one file, as Kafka takes them."""
        return self.folder / "key-and-certificate.pem"

    def make(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        authority_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
        authority = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"test {secrets.token_hex(4)}")])
        now = datetime.now(UTC)

        def certificate(subject: x509.Name, public: ec.EllipticCurvePublicKey, *, signs: bool) -> x509.Certificate:
            return (
                x509.CertificateBuilder()
                .subject_name(subject)
                .issuer_name(authority)
                .public_key(public)
                .serial_number(x509.random_serial_number())
                .not_valid_before(now - timedelta(hours=1))
                .not_valid_after(now + timedelta(days=1))
                .add_extension(x509.BasicConstraints(ca=signs, path_length=None), critical=True)
                .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
                .add_extension(
                    x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()), critical=False
                )
                .add_extension(
                    x509.KeyUsage(True, False, False, False, False, signs, signs, False, False), critical=True
                )
                .add_extension(
                    x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ip_address(LOOPBACK))]),
                    critical=False,
                )
                .sign(authority_key, hashes.SHA256())
            )

        server = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
        own = certificate(authority, authority_key.public_key(), signs=True).public_bytes(Encoding.PEM)
        signed = certificate(server, key.public_key(), signs=False).public_bytes(Encoding.PEM)
        private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        self.authority.write_bytes(own)
        self.certificate.write_bytes(signed)
        self.key.touch(mode=0o600)
        self.key.write_bytes(private)
        self.both.touch(mode=0o600)
        self.both.write_bytes(private + signed + own)


@dataclass(frozen=True)
class SecuredKafka(Kafka):
    """A cluster that others reach by SASL_SSL alone; in plain text it talks to itself and to its administrator."""

    secured_ports: Mapping[int, int] = None  # type: ignore[assignment]  # after fields with defaults
    certificates: Certificates = None  # type: ignore[assignment]

    @property
    def secured(self) -> str:
        """The brokers' addresses for services."""
        return ",".join(f"{LOOPBACK}:{port}" for port in self.secured_ports.values())

    def _properties(self, broker: Broker) -> dict[str, str]:
        plain = f"PLAINTEXT://{LOOPBACK}:{broker.port}"
        secured = f"SASL_SSL://{LOOPBACK}:{self.secured_ports[broker.number]}"
        login = "org.apache.kafka.common.security"
        return super()._properties(broker) | {
            "listeners": f"{plain},{secured},CONTROLLER://{LOOPBACK}:{broker.controller_port}",
            "advertised.listeners": f"{plain},{secured}",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,SASL_SSL:SASL_SSL,CONTROLLER:PLAINTEXT",
            "inter.broker.listener.name": "PLAINTEXT",
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": str(self.certificates.both),
            "sasl.enabled.mechanisms": "SCRAM-SHA-512,PLAIN",
            "listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config": f"{login}.scram.ScramLoginModule required;",
            "listener.name.sasl_ssl.plain.sasl.jaas.config": (
                f"{login}.plain.PlainLoginModule required "
                + " ".join(f'user_{user}="{PASSWORD}"' for user in PLAIN_USERS)
                + ";"
            ),
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users": "User:ANONYMOUS",
        }

    def access(self, user: str, *, password: str = PASSWORD, authority: Path | None = None) -> Access:
        """How a service's user gets in."""
        mechanism = "SCRAM-SHA-512" if user == SCRAM_USER else "PLAIN"
        return Access("SASL_SSL", str(authority or self.certificates.authority), mechanism, user, password)

    def environment(self, user: str, *, password: str = PASSWORD) -> dict[str, str]:
        """The same as a service's environment."""
        return {
            "KAFKA_BOOTSTRAP_SERVERS": self.secured,
            "KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
            "KAFKA_CA_FILE": str(self.certificates.authority),
            "KAFKA_SASL_MECHANISM": "SCRAM-SHA-512" if user == SCRAM_USER else "PLAIN",
            "KAFKA_USERNAME": user,
            "KAFKA_PASSWORD": password,
        }

    async def tool(self, *words: str) -> None:
        """Run one of Kafka's own programs by its class."""
        arguments = self._java("-Xmx128m", "-XX:TieredStopAtLevel=1", *words)
        process = await asyncio.create_subprocess_exec(
            *arguments, env=self._environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        output, _ = await process.communicate()
        assert process.returncode == 0, output.decode()

    async def let_in(self, user: str) -> None:
        """Give this user its password for SCRAM, as an administrator does."""
        await self.tool(
            "kafka.admin.ConfigCommand",
            *("--bootstrap-server", self.bootstrap, "--alter", "--entity-type", "users", "--entity-name", user),
            *("--add-config", f"SCRAM-SHA-512=[iterations=4096,password={PASSWORD}]"),
        )

    async def give_rights(self) -> None:
        """What the generated script says, over the protocol: its own tool takes a start of Java for every line."""
        admin = AIOKafkaAdminClient(bootstrap_servers=self.bootstrap)
        await admin.start()
        try:
            for line in acls.script().splitlines():
                if line.startswith("allow --"):
                    for request in _requests(line):
                        [(code, message)] = (await admin._send_request(request)).creation_responses
                        assert code == 0, message
        finally:
            await admin.close()

    async def run_script(self, *, lines_of: str) -> None:
        """Run the generated script's lines of one user as an administrator does, with Kafka's own tool."""
        programs = self.folder / "programs"
        programs.mkdir(exist_ok=True)
        java = " ".join(f"'{word}'" for word in self._java("-Xmx128m", "-XX:TieredStopAtLevel=1"))
        tool = programs / "kafka-acls.sh"
        tool.write_text(f'#!/bin/sh\nexec {java} org.apache.kafka.tools.AclCommand "$@"\n')
        tool.chmod(0o700)
        script = acls.HEAD + "".join(
            f"{line}\n" for line in acls.script().splitlines() if f"--allow-principal User:{lines_of} " in line
        )
        process = await asyncio.create_subprocess_exec(
            *("bash", "-c", script),
            env=self._environment | {"BOOTSTRAP": self.bootstrap, "PATH": f"{programs}:{self._environment['PATH']}"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        output, _ = await process.communicate()
        assert process.returncode == 0, output.decode()


_OPERATIONS = {"Read": 3, "Write": 4, "Create": 5, "DescribeConfigs": 10}
_TOPIC, _GROUP, _LITERAL, _ALLOW = 2, 3, 3, 3


def _requests(line: str) -> list[CreateAclsRequest]:
    """A line of the script as requests of Kafka's protocol."""
    words = line.split()[1:]
    said: dict[str, list[str]] = {}
    for option, value in zip(words[::2], words[1::2], strict=True):
        said.setdefault(option, []).append(value)
    [principal] = said.pop("--allow-principal")
    operations = said.pop("--operation")
    resources = [(_TOPIC, name) for name in said.pop("--topic", [])] + [
        (_GROUP, name) for name in said.pop("--group", [])
    ]
    assert not said
    return [
        CreateAclsRequest(kind, name, _LITERAL, principal, "*", _OPERATIONS[operation], _ALLOW)
        for kind, name in resources
        for operation in operations
    ]


@asynccontextmanager
async def secured_kafka(folder: Path, *, brokers: int = 3) -> AsyncIterator[SecuredKafka]:
    """A secured cluster with the rights of the generated script, and users with passwords; topics are not made yet."""
    certificates = Certificates(folder / "certificates")
    certificates.make()
    nodes = [Broker(number, free_port(), free_port()) for number in range(1, brokers + 1)]
    cluster = SecuredKafka(
        folder / "kafka",
        nodes,
        secured_ports={node.number: free_port() for node in nodes},
        certificates=certificates,
    )
    cluster.prepare()
    log = (folder / "kafka.log").open("wb")
    started = [processes.start(cluster.command(node), log) for node in nodes]
    try:
        for node, process in zip(nodes, started, strict=True):
            await eventually(lambda node=node: _is_well(cluster, node), within=240, what=f"broker {node.number}")
            assert process.poll() is None, (folder / "kafka.log").read_text()[-2000:]
        await asyncio.gather(cluster.let_in(SCRAM_USER), cluster.give_rights())
        yield cluster
    finally:
        for process in started:
            process.kill()
            process.wait()
        log.close()


async def _is_well(cluster: Kafka, node: Broker) -> bool:
    return await cluster.trouble(node) is None


class NoServer(Exception):
    """There is no PostgreSQL with TLS at hand; the message says where one was looked for."""


@dataclass(frozen=True)
class TlsPostgres:
    """A PostgreSQL of the machine's own with TLS; the embedded one is built without."""

    folder: Path
    port: int
    certificates: Certificates

    @cached_property
    def _prefix(self) -> tuple[str, ...]:
        if os.geteuid() != 0:
            return ()
        if not user_namespaces_work():
            raise NoServer("root may start no PostgreSQL here")
        return ("unshare", "-U", "--map-user=1000", "--")

    def url(self, *, user: str = "postgres", database: str = "postgres", query: str | None = None) -> str:
        """The address, by default as production demands it."""
        query = f"?sslmode=verify-full&sslrootcert={self.certificates.authority}" if query is None else query
        return f"postgresql://{user}:{PASSWORD}@{LOOPBACK}:{self.port}/{database}{query}"

    def command(self) -> processes.Command:
        self.folder.mkdir(mode=0o700, parents=True)
        secret = self.folder / "password"
        secret.write_text(PASSWORD)
        data = self.folder / "data"
        initdb = [*self._prefix, "initdb", f"--pgdata={data}", "--username=postgres", "--auth=scram-sha-256"]
        made = subprocess.run(  # noqa: S603  # the machine's own program
            [*initdb, f"--pwfile={secret}", "--encoding=UTF8", "--locale=C"],
            capture_output=True,
            text=True,
            check=False,
        )
        if made.returncode != 0:
            raise NoServer(made.stderr)
        (data / "pg_hba.conf").write_text("hostssl all all 127.0.0.1/32 scram-sha-256\n")
        for source, name in ((self.certificates.certificate, "server.crt"), (self.certificates.key, "server.key")):
            shutil.copy(source, data / name)
            (data / name).chmod(0o600)
        options = {"port": self.port, "listen_addresses": LOOPBACK, "unix_socket_directories": "", "ssl": "on"}
        words = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
        return processes.Command([*self._prefix, "postgres", "-D", str(data), *words], dict(os.environ), self.folder)


@asynccontextmanager
async def tls_postgres(folder: Path, certificates: Certificates) -> AsyncIterator[TlsPostgres]:
    """The `postgres` on PATH, reached by TLS alone. Raises NoServer where there is none, or none that knows TLS."""
    if shutil.which("postgres") is None or shutil.which("initdb") is None:
        raise NoServer("no `postgres` and `initdb` on PATH, and the embedded PostgreSQL is built without TLS")
    server = TlsPostgres(folder / "postgres", free_port(), certificates)
    with (folder / "postgres.log").open("wb") as log:
        process = processes.start(server.command(), log)
        try:
            await eventually(lambda: _answers_or_ended(server, process), within=60)
            if process.poll() is not None:
                raise NoServer((folder / "postgres.log").read_text())
            yield server
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(30)


async def _answers_or_ended(server: TlsPostgres, process: "subprocess.Popen[bytes]") -> bool:
    if process.poll() is not None:
        return True
    try:
        connection = await asyncpg.connect(server.url(), timeout=2)
    except (OSError, TimeoutError, asyncpg.PostgresError):
        return False
    await connection.close()
    return True
