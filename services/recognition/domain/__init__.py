"""What is decided, when, and what is written (decision.md, "What is decided"): pure, over the rule engine's values."""
