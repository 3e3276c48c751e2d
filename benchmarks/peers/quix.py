"""Quix Streams: a dataframe with state; the changelog of the state is written at every checkpoint."""

from quixstreams import Application, State

from benchmarks.peers.insights import DIRECTORY, GROUP, SERVERS, TOPIC, insights

app = Application(
    broker_address=SERVERS,
    consumer_group=GROUP,
    auto_offset_reset="earliest",
    # The changelog, by which the benchmark sees the progress, is written at a checkpoint: not too rarely for that, and
    # not for every batch.
    commit_every=250,
    state_dir=DIRECTORY,
    loglevel="WARNING",
)
submissions = app.topic(TOPIC, key_deserializer="bytes", value_deserializer="bytes")


def store(value: bytes, state: State) -> None:
    """Write the insights."""
    state.set("row", insights(value))


app.dataframe(submissions).update(store, stateful=True)

if __name__ == "__main__":
    app.run()
