"""The rule engine: values in, decisions with all their grounds out. No I/O, no clock, exact rationals (decision.md)."""
