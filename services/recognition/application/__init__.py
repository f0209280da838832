"""What recognition does: recognise what learners completed, publish what members agreed, look again, answer."""
