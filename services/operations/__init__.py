"""The journey of every completion, watched from the topics; nothing depends on this service."""
