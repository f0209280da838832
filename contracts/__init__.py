"""The event schemas that Concord's services agree on: one module per topic, pydantic only (docs/adr/0010)."""
