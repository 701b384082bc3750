"""Preprocess against a real broker."""

import json
import time
from dataclasses import replace

import pytest
from confluent_kafka import TopicPartition

from crossfoot.cli import main
from crossfoot.errors import DataError, ServiceError
from crossfoot.services.live import LiveWatch
from crossfoot.services.preprocess.job import preprocess
from tests.counting import click, lines
from tests.jumps import DAY_S, HOUR_S, SetClock
from tests.services.broker import Broker
from tests.services.pausing import pause, resume
from tests.services.preparing import QUICK, Stage, consumer, end, put_all, reached, running, shared_by


@pytest.fixture
def stage(broker: Broker) -> Stage:
    return Stage(broker)


def test_each_record_is_a_message_or_is_accounted_for(stage):
    """In = out + filtered + refused, for each partition."""
    stage.put(click(1), click(2), b"nonsense", click(3, kind="other"))
    stage.put({"seq": 4}, partition=1)
    found = stage.prepare()
    totals = found.totals
    assert (totals.records, totals.out, totals.filtered, totals.malformed, totals.invalid) == (5, 2, 1, 1, 1)
    assert totals.unaccounted == 0
    assert [line.lag for line in found.partitions] == [0, 0]
    assert sorted(message["offset"] for message in stage.prepared()) == ["0", "1"]
    assert [(letter, about["reason"], about["offset"]) for letter, about in stage.dead()] == [
        (b"nonsense", "syntax", "2"),
        (b'{"seq": 4}', "missing", "0"),
    ]


def test_a_later_run_goes_on_where_the_group_has_committed(stage):
    """With the ledger of before; nothing is sent twice."""
    stage.put(click(1))
    stage.prepare()
    stage.put(click(2))
    assert stage.prepare().totals.out == 2
    assert len(stage.prepared()) == 2


def test_the_command_shows_the_ledger(stage, tmp_path, capsys):
    """After a run, and of a group that nobody is a member of."""
    stage.put(click(1), b"nonsense")
    definition = tmp_path / "prepare.yaml"
    definition.write_text(stage.text)
    for option in ("--once", "--status"):
        assert main(["preprocess", str(definition), option, "--format", "json"]) == 0
        shown = json.loads(capsys.readouterr().out)
        assert (shown["records"], shown["out"], shown["malformed"], shown["unaccounted"], shown["lag"]) == (
            2,
            1,
            1,
            0,
            0,
        )
        assert [line["offset"] for line in shown["partitions"]] == [2, 0]


def test_records_that_explode_are_events(broker):
    """The ledger knows both numbers; each message says its place in the list."""
    stage = Stage(broker, more=", explode: items")
    stage.text = stage.text.replace("path: page,", "path: items.page,")
    stage.put({**click(1), "items": [{"page": "a"}, {"page": 7}, {"page": "c"}]}, {**click(2), "items": []})
    totals = stage.prepare().totals
    assert (totals.records, totals.events, totals.out, totals.invalid, totals.filtered) == (2, 4, 2, 1, 1)
    assert sorted(message["element"] for message in stage.prepared()) == [0, 2]
    assert stage.dead()[0][1]["element"] == "1"


def test_a_message_over_the_limit_is_a_dead_letter(broker):
    """Never a stop; a dead letter that is too large itself is cut, and says where the record is."""
    stage = Stage(broker, max_message_bytes="3000")
    stage.put(click(1), click(2, page="x" * 4000), click(3))
    totals = stage.prepare().totals
    assert (totals.out, totals.malformed, totals.unaccounted) == (2, 1, 0)
    letter, about = stage.dead()[0]
    assert (about["reason"], about["offset"]) == ("size", "1")
    assert len(letter) < int(about["cut"]) > 4000


def test_many_messages_fit_under_a_small_limit(broker):
    """A batch of messages is not larger than what the topic takes."""
    stage = Stage(broker, max_message_bytes="3000")
    stage.put(*(click(number) for number in range(2000)))
    assert stage.prepare().totals.out == 2000


def test_a_limit_that_is_lowered_while_it_runs_loses_nothing(stage):
    """What the broker refuses is never committed; it goes on with the new limit."""
    stage.put(click(0))
    lowered: list[bool] = []

    def stop() -> bool:
        out = stage.status().totals.out
        if out == 1 and not lowered:
            lowered.append(True)
            stage.broker.configure(f"{stage.name}.prepared", "max.message.bytes", "3000")
            stage.put(*(click(number) for number in range(1, 2000)))
        return out == 2000

    notes: list[str] = []
    stage.prepare(once=False, stop=stop, note=notes.append)
    assert len({message["id"] for message in stage.prepared()}) == 2000
    assert any("is over the limit" in note for note in notes)


def test_markers_of_transactions_are_gaps(stage):
    """Positions = records + gaps; the last marker is passed over too."""
    producer = stage.broker.producer(transactional_id=stage.name)
    producer.init_transactions(30)
    for number in (1, 2):
        producer.begin_transaction()
        producer.produce(stage.name, lines([click(number)]), partition=0)
        producer.commit_transaction(30)
    found = stage.prepare()
    assert (found.totals.records, found.totals.gaps, found.partitions[0].lag) == (2, 2, 0)


@pytest.mark.parametrize("missing", ["", ".prepared", ".dead"])
def test_a_missing_topic_is_named(stage, missing):
    """None is made."""
    stage.text = stage.text.replace(f'"{stage.name}{missing}"', '"nowhere"')
    with pytest.raises(DataError, match=r"there is no such Kafka topic: nowhere$"):
        stage.prepare()


def test_a_wrong_address_is_a_service_that_cannot_be_reached(stage):
    """The wait is bounded."""
    stage.text = stage.text.replace(stage.broker.bootstrap, "127.0.0.1:1")
    with pytest.raises(ServiceError, match="no Kafka broker answers within"):
        preprocess(stage.job(), replace(QUICK, connect_seconds=0.3), LiveWatch())


def test_an_offset_that_is_gone_stops(stage):
    """Never a silent reset."""
    stage.put(click(1))
    stage.prepare()
    stage.put(click(2), click(3))
    place = TopicPartition(stage.name, 0, 2)
    stage.broker.admin.delete_records([place])[place].result(20)
    with pytest.raises(DataError, match=f"offset 1 of kafka:{stage.name}/0 is gone: its log begins at 2") as error:
        stage.prepare()
    assert "nothing was skipped" in error.value.hint


def test_a_log_that_has_lost_its_beginning_is_prepared_as_any_other(stage):
    """As every topic has after its retention; only what is not prepared yet may not be gone."""
    stage.put(click(1), click(2))
    stage.prepare()
    place = TopicPartition(stage.name, 0, 2)
    stage.broker.admin.delete_records([place])[place].result(20)
    for number in range(3, 6):
        stage.put(click(number))
        assert stage.prepare().totals.out == number


def test_an_offset_that_was_set_by_hand_begins_a_ledger_there(stage):
    """That is a choice, and it is told."""
    stage.put(click(1), click(2), click(3))
    stage.prepare()
    with consumer(stage.broker, f"crossfoot-preprocess-{stage.name}") as tool:
        tool.commit(offsets=[TopicPartition(stage.name, 0, 2)], asynchronous=False)
    notes: list[str] = []
    assert stage.prepare(note=notes.append).totals.records == 1
    assert any("its offset 2 was set by another tool" in note for note in notes)


def test_a_topic_that_is_made_again_while_it_runs_stops(stage):
    """Its id is looked at again and again."""
    stage.put(click(1))

    replaced: list[bool] = []

    def replace_once() -> bool:
        if not replaced and stage.status().totals.records == 1:
            replaced.append(True)
            stage.broker.delete(stage.name)
            stage.broker.create(stage.name, 2, message_timestamp_type="LogAppendTime")
        return False

    with pytest.raises(DataError, match=r"made again|no such Kafka topic"):
        stage.prepare(once=False, stop=replace_once)


@pytest.mark.parametrize("now", [3000, 10])
def test_nothing_is_sent_of_a_topic_that_is_made_again_and_filled(stage, now):
    """However soon: its id is asked for before what was read is sent. With fewer records that is what is said, too."""
    stage.put(*map(click, range(500)))
    replaced: list[bool] = []

    def refill_once() -> bool:
        if not replaced and stage.status().totals.records == 500:
            replaced.append(True)
            stage.broker.delete(stage.name)
            stage.broker.create(stage.name, 2, message_timestamp_type="LogAppendTime")
            stage.put(*map(click, range(10_000, 10_000 + now)))
        return False

    with pytest.raises(DataError, match="was deleted and made again since the group"):
        preprocess(stage.job(once=False), replace(QUICK, idle_seconds=60), LiveWatch(stop=refill_once))
    assert len(stage.prepared()) == 500


def test_offsets_of_another_topic_stop(stage):
    """Kafka deletes them with the topic; where they outlive it, they are not those of the new one."""
    stage.put(click(1))
    old = stage.prepare().partitions[0].state
    with consumer(stage.broker, f"crossfoot-preprocess-{stage.name}") as tool:
        place = TopicPartition(stage.name, 0, 1, replace(old, topic_id="other").text())
        tool.commit(offsets=[place], asynchronous=False)
    with pytest.raises(DataError, match="was deleted and made again since the group"):
        stage.prepare()


def test_append_time_is_demanded_by_name(stage):
    """As where a topic is counted."""
    stage.broker.create(f"{stage.name}.created", 1)
    stage.text = stage.text.replace(f'topic: "{stage.name}",', f'topic: "{stage.name}.created",')
    with pytest.raises(DataError, match="has the producers' time"):
        stage.prepare()


def test_the_received_time_never_goes_back(stage):
    """a = max(stamp, last t, J) over restarts."""
    stage.put(click(1))
    stage.prepare()
    stage.put(click(2), partition=0)
    stage.prepare()
    first, second = (message["received"] for message in sorted(stage.prepared(), key=lambda each: int(each["offset"])))
    assert first <= second


def test_a_killed_process_loses_nothing(broker, project):
    """Killed again and again at moments that the clock chooses; every event is there, copies have the same uuid."""
    stage = Stage(broker, partitions=3)
    for part in range(3):
        stage.put(*(click(number) for number in range(part * 10_000, part * 10_000 + 10_000)), partition=part)
    for records in (1, 3000, 9000, 15_000):
        with running(stage, project) as process:
            reached(stage, records)
            process.kill()
    totals = stage.prepare().totals
    messages = stage.prepared()
    assert (totals.records, totals.out, totals.unaccounted) == (30_000, 30_000, 0)
    assert len(messages) >= len({message["id"] for message in messages}) == 30_000
    assert len({(message["id"], message["received"]) for message in messages}) == 30_000


def test_three_processes_share_a_topic_while_they_come_and_go(broker, project):
    """Nothing is lost at a rebalance, and what is given up in good order is not sent twice."""
    stage = Stage(broker, partitions=4)
    with running(stage, project) as first:
        put_all(stage, 0)
        with running(stage, project) as second, running(stage, project) as third:
            shared_by(stage, 3)
            put_all(stage, 1)
            end(second)
            put_all(stage, 2)
            end(third)
        put_all(stage, 3)
        reached(stage, 4 * 4 * 1000)
        end(first)
    messages = stage.prepared()
    assert stage.prepare().totals.out == len({message["id"] for message in messages}) == 4 * 4 * 1000
    assert len(messages) == 4 * 4 * 1000


def test_a_paused_process_that_comes_back_commits_nothing(broker, project):
    """Another one has gone on; the first sends at most what exists already, is refused, and joins again."""
    stage = Stage(broker, partitions=2)
    with running(stage, project) as paused:
        put_all(stage, 0)
        reached(stage, 2000)
        pause(paused.pid)
        put_all(stage, 1)
        with running(stage, project) as other:
            reached(stage, 4000)
            resume(paused.pid)
            put_all(stage, 2)
            reached(stage, 6000)
            end(other)
        put_all(stage, 3)
        reached(stage, 8000)
        end(paused)
    assert stage.prepare().totals.out == len({message["id"] for message in stage.prepared()}) == 8000


def test_a_broker_that_is_away_is_waited_for(stage):
    """Nothing is lost; it is told."""
    stage.put(*(click(number) for number in range(1000)))
    notes: list[str] = []
    restarted = False

    def stop() -> bool:
        nonlocal restarted
        if not restarted and stage.status().totals.out == 1000:
            restarted = True
            stage.broker.kill()
            stage.broker.start()
            stage.put(*(click(number) for number in range(1000, 2000)), partition=1)
        return restarted and stage.status().totals.out == 2000

    assert stage.prepare(once=False, stop=stop, note=notes.append).totals.out == 2000
    assert len({message["id"] for message in stage.prepared()}) == 2000
    assert any("it is tried again" in note for note in notes)


def test_the_end_is_graceful_and_bounded_while_the_broker_is_away(stage, project):
    """Under 10 s; the next run goes on."""
    stage.put(click(1))
    with running(stage, project) as process:
        reached(stage, 1)
        stage.broker.kill()
        try:
            began = time.monotonic()
            end(process)
            assert time.monotonic() - began < 10
        finally:
            stage.broker.start()
    assert stage.prepare().totals.out == 1


@pytest.mark.parametrize(("off_s", "refused"), [(-HOUR_S, 50), (DAY_S, 0)])
def test_a_clock_that_is_set_while_it_runs(broker, off_s, refused):
    """Received times are the broker's and do not go back; what is ahead of the clock is refused."""
    stage, clock = Stage(broker), SetClock()
    stage.put(*(click(number) for number in range(50)))

    def stop() -> bool:
        records = stage.status().totals.records
        if records == 50 and clock.off_s == 0:
            clock.set(off_s)
            stage.put(*(click(number) for number in range(50, 100)))
        elif records == 100 and clock.off_s == off_s:
            clock.set(1)
            stage.put(*(click(number) for number in range(100, 150)))
        return records == 150

    found = stage.prepare(once=False, stop=stop, clock=clock)
    assert (found.totals.records, found.totals.unaccounted) == (150, 0)
    events = sorted(stage.prepared(), key=lambda event: int(event["offset"]))
    assert len(events) == 150 - refused
    received = [event["received"] for event in events if event["partition"] == 0]
    assert received == sorted(received)
    assert [headers["reason"] for _, headers in stage.dead()] == ["stamp"] * refused


def test_an_intermediate_topic_that_cannot_be_counted_is_noted(broker):
    """It may be relayed, so it is written."""
    stage, notes = Stage(broker), []
    stage.put(click(1))
    stage.prepare(note=notes.append)
    assert [note for note in notes if "producers' time" in note] == []
    broker.configure(f"{stage.name}.prepared", "message.timestamp.type", "CreateTime")
    assert stage.prepare(note=notes.append).totals.out == 1
    assert any(f"{stage.name}.prepared has the producers' time" in note for note in notes)
