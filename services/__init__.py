"""The services of Concord. None imports another: between them go events, and REST under a token."""
