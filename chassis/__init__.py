"""What every service stands on and no domain knows: consumer, outbox, database, HTTP, identity, telemetry."""
