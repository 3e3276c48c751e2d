"""Quix Streams: a dataframe with state, whose changelog is written at every checkpoint."""

from quixstreams import Application, State

from benchmarks.peers.insights import DIRECTORY, GROUP, SERVERS, TOPIC, insights
from benchmarks.peers.progress import Progress

app = Application(
    broker_address=SERVERS,
    consumer_group=GROUP,
    auto_offset_reset="earliest",
    commit_interval=1.0,
    state_dir=DIRECTORY,
    loglevel="WARNING",
)
submissions = app.topic(TOPIC, key_deserializer="bytes", value_deserializer="bytes")
progress = Progress(every=20)


def store(value: bytes, state: State) -> None:
    """Write the insights."""
    state.set("row", insights(value))
    progress.advance(1)


app.dataframe(submissions).update(store, stateful=True)

if __name__ == "__main__":
    app.run()
