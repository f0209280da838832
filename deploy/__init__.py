"""How Concord is run: in containers, and on a plain machine without them."""
