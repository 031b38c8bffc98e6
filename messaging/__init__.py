"""Events between services: contracts, envelope, topology, outbox and relay, publisher, consumer, inbox."""
