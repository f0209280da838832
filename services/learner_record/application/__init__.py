"""What the service does, use case by use case; every change is one transaction under the learner's lock."""
