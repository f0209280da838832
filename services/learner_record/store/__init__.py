"""The service's tables: facts are added and never changed; every statement works on sets."""
