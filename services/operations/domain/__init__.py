"""Journeys: what follows from the events that were seen. No I/O, no clock."""
