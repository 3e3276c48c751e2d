"""Errors after which a producer must be replaced.

aiokafka counts a record that it gave up in an outage as sent. The brokers then refuse all later records of that
partition, and the producer stops sending altogether (https://github.com/aio-libs/aiokafka/issues/1017).
"""

from aiokafka.errors import OutOfOrderSequenceNumber, ProducerFenced

PRODUCER_BROKEN = (OutOfOrderSequenceNumber, ProducerFenced)
