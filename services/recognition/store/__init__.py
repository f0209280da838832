"""Recognition's tables: SQL as named constants, on sets, in a number of round trips that does not depend on the batch.

What is consumed, published and decided is only ever added to; the role has no right to change it (ADR 20).
"""
