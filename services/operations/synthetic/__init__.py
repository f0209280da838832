"""The synthetic credit: published once a minute under members of its own, and watched until it is on the record."""
