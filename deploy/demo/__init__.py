"""A small consortium that shows what Concord does: its members, what they agreed, their learners, from a fixed seed."""
