"""The comparison of existing topics with the settings."""

from dataclasses import replace

import pytest
from pydantic import ValidationError

from shared.kafka.topic import Topic
from shared.kafka.topic_differences import Difference, Found, differences
from shared.kafka.topics import Topics
from shared.settings import Settings

SECRET = "s" * 32
TOPICS = Topics(Settings.model_validate({"secret": SECRET, "replication_factor": 3, "min_insync_replicas": 2}))
SUBMISSIONS = TOPICS.submissions
ALTER = "run kafka-configs.sh --bootstrap-server kafka:9092 --alter --entity-type topics --entity-name {} --add-config "
WEEK, MONTH = 604_800_000, 2_592_000_000


def as_wanted(topic: Topic) -> Found:
    config = {"min.insync.replicas": "2", "segment.ms": "604800000", **topic.config}
    return Found(topic.partitions, topic.replicas, config)


def compare(topic: Topic, **config: str) -> list[Difference]:
    found = as_wanted(topic)
    changed = {name.replace("_", "."): value for name, value in config.items()}
    return differences(topic, replace(found, config={**found.config, **changed}), "kafka:9092")


@pytest.mark.parametrize("topic", list(TOPICS), ids=lambda topic: topic.name)
def test_a_topic_as_the_settings_want_it_does_not_differ(topic: Topic) -> None:
    assert compare(topic) == []


@pytest.mark.parametrize(
    "topic", [SUBMISSIONS, TOPICS.insights, TOPICS.dlq, TOPICS.audit], ids=lambda topic: topic.name
)
@pytest.mark.parametrize("partitions", [3, 6, 24])
def test_another_number_of_partitions_is_refused(topic: Topic, partitions: int) -> None:
    [difference] = differences(topic, replace(as_wanted(topic), partitions=partitions), "kafka:9092")
    assert difference == Difference(
        f"topic {topic.name} has partitions={partitions}, but ECG_PARTITIONS says 12 (records would not be found where "
        f"they are): set ECG_PARTITIONS={partitions} for all gateways and workers, or, if nothing on the topic is "
        "needed, delete it and run python -m shared.kafka.topics"
    )


@pytest.mark.parametrize("topic", [TOPICS.users, TOPICS.keys, TOPICS.workers], ids=lambda topic: topic.name)
def test_topics_that_need_one_partition_must_have_one(topic: Topic) -> None:
    [difference] = differences(topic, replace(as_wanted(topic), partitions=2), "kafka:9092")
    assert not difference.harmless
    assert f"topic {topic.name} has partitions=2, but the pipeline needs 1 " in difference.sentence


@pytest.mark.parametrize("policy", ["delete", "compact,delete"])
def test_rows_and_keys_must_not_be_deleted_by_time(policy: str) -> None:
    assert compare(TOPICS.users, cleanup_policy=policy) == [
        Difference(
            f"topic ecg.users has cleanup.policy={policy}, but the pipeline needs compact (records that are needed "
            f"would be deleted): {ALTER.format('ecg.users')}cleanup.policy=compact"
        )
    ]


@pytest.mark.parametrize("policy", ["compact", "delete,compact"])
def test_submissions_must_not_be_compacted(policy: str) -> None:
    [difference] = compare(SUBMISSIONS, cleanup_policy=policy)
    assert not difference.harmless


@pytest.mark.parametrize(
    ("size", "effect", "harmless"),
    [
        ("1048588", "accepted ECGs would not fit", False),
        ("99999999", "messages fit that are too large to be processed", True),
    ],
)
def test_the_largest_message_is_what_the_largest_ecg_needs(size: str, effect: str, harmless: bool) -> None:
    assert compare(SUBMISSIONS, max_message_bytes=size) == [
        Difference(
            f"topic ecg.submissions has max.message.bytes={size}, but ECG_MAX_BODY_BYTES says 17825792 ({effect}): "
            f"{ALTER.format('ecg.submissions')}max.message.bytes=17825792",
            harmless,
        )
    ]


@pytest.mark.parametrize("retention", ["-1", str(MONTH)])
def test_a_longer_retention_is_harmless(retention: str) -> None:
    assert compare(SUBMISSIONS, retention_ms=retention) == [
        Difference(
            f"topic ecg.submissions has retention.ms={retention}, but ECG_SUBMISSIONS_RETENTION_HOURS says 168, {WEEK} "
            f"ms (records stay longer): {ALTER.format('ecg.submissions')}retention.ms={WEEK}",
            harmless=True,
        )
    ]


@pytest.mark.parametrize("topic", [SUBMISSIONS, TOPICS.dlq, TOPICS.audit], ids=lambda topic: topic.name)
def test_a_shorter_retention_is_refused(topic: Topic) -> None:
    [difference] = compare(topic, retention_ms="3600000")
    assert (difference.harmless, "(records would be deleted earlier)" in difference.sentence) == (False, True)


def test_compaction_must_not_be_delayed_too_long() -> None:
    [difference] = compare(TOPICS.keys, max_compaction_lag_ms="9223372036854775807")
    assert (difference.harmless, "but ECG_ERASURE_HOURS says 24, 86400000 ms" in difference.sentence) == (False, True)
    assert compare(TOPICS.keys, max_compaction_lag_ms="3600000") == []


def test_submissions_need_timestamps_of_the_broker() -> None:
    assert compare(SUBMISSIONS, message_timestamp_type="CreateTime") == [
        Difference(
            "topic ecg.submissions has message.timestamp.type=CreateTime, but the pipeline needs LogAppendTime (the "
            "clocks of producers would decide when records are deleted): "
            f"{ALTER.format('ecg.submissions')}message.timestamp.type=LogAppendTime"
        )
    ]


@pytest.mark.parametrize(
    ("replicas", "least", "harmless", "parts"),
    [
        (3, 1, False, ["min.insync.replicas=1, but ECG_MIN_INSYNC_REPLICAS says 2", "min.insync.replicas=2"]),
        (3, 3, True, ["min.insync.replicas=3, but ECG_MIN_INSYNC_REPLICAS says 2", "min.insync.replicas=2"]),
        (3, 4, False, ["has min.insync.replicas=4 and replicas=3, but", "(brokers may never acknowledge a record)"]),
    ],
)
def test_the_least_number_of_replicas_in_sync_must_agree_with_the_setting(
    replicas: int, least: int, harmless: bool, parts: list[str]
) -> None:
    found = replace(as_wanted(SUBMISSIONS), replicas=replicas)
    found = replace(found, config={**found.config, "min.insync.replicas": str(least)})
    [difference] = differences(SUBMISSIONS, found, "kafka:9092")
    assert difference.harmless == harmless
    assert [part for part in parts if part not in difference.sentence] == []


def test_fewer_replicas_are_refused_and_more_are_not() -> None:
    assert differences(SUBMISSIONS, replace(as_wanted(SUBMISSIONS), replicas=4), "") == []
    few, unmet = differences(SUBMISSIONS, replace(as_wanted(SUBMISSIONS), replicas=1), "")
    assert few.sentence.endswith("add copies with kafka-reassign-partitions.sh, or set ECG_REPLICATION_FACTOR=1")
    assert unmet.sentence.endswith("--add-config min.insync.replicas=1 and set ECG_MIN_INSYNC_REPLICAS=1")
    assert not few.harmless
    assert not unmet.harmless


def test_configuration_that_a_broker_does_not_report_is_not_compared() -> None:
    assert differences(SUBMISSIONS, Found(12, 3, {}), "kafka:9092") == []


def test_more_replicas_in_sync_than_replicas_are_refused() -> None:
    with pytest.raises(ValidationError, match="ECG_MIN_INSYNC_REPLICAS=2 asks for more copies"):
        Settings.model_validate({"secret": SECRET, "min_insync_replicas": 2})


def test_every_variable_that_a_sentence_names_is_a_setting() -> None:
    known = {f"ECG_{name.upper()}" for name in Settings.model_fields}
    assert {variable for topic in TOPICS for variable in topic.variables.values()} <= known
