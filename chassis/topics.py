"""Topics are made by the project from contracts/topics.yaml, never by a broker on its own."""

from collections.abc import Sequence

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import TopicAlreadyExistsError, for_code

from chassis.kafka import OPEN, Access
from contracts.catalogue import Topic, topics

DAY_MS = 24 * 60 * 60 * 1000


def _settings(topic: Topic, min_insync: int) -> dict[str, str]:
    return {
        "cleanup.policy": "delete",
        "retention.ms": str(topic.retention_days * DAY_MS),
        "max.message.bytes": str(topic.max_message_bytes),
        "min.insync.replicas": str(min_insync),
        "unclean.leader.election.enable": "false",
        "message.timestamp.type": "CreateTime",
    }


async def create(
    bootstrap: str, *, wanted: Sequence[Topic] | None = None, replication: int = 1, access: Access = OPEN
) -> list[str]:
    """Create what topics.yaml lists and the cluster lacks; returns the names of those created.

    `replication` is 1 on one broker; with three it is 3, and two must have a record before it counts as written.
    Raises aiokafka's KafkaError where the broker refuses.
    """
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap, **access.options)
    await admin.start()
    try:
        new = [
            NewTopic(
                topic.name, topic.partitions, replication, topic_configs=_settings(topic, 2 if replication >= 3 else 1)
            )
            for topic in (topics() if wanted is None else wanted)
        ]
        response = await admin.create_topics(new)
        created = []
        for name, code, *_ in response.topic_errors:
            error = for_code(code)
            if code == 0:
                created.append(name)
            elif error is not TopicAlreadyExistsError:
                raise error(f"topic {name}")
        return created
    finally:
        await admin.close()
