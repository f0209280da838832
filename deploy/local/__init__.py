"""Concord on a plain machine: docker-compose.yml without Docker."""
