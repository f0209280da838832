"""What the service does, use case by use case; every use case is one transaction."""
