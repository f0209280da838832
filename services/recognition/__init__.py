"""The recognition service: agreements, award definitions, decisions, grants and the ledger."""
