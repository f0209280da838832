"""What members state: who they are, what they offer, and what their learners completed."""
