"""Alembic runs this for every service: it migrates over the connection that chassis.migrate hands in."""

from alembic import context

context.configure(connection=context.config.attributes["connection"], target_metadata=None)
with context.begin_transaction():
    context.run_migrations()
