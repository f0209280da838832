"""The `concord` command and a Python client, for members' systems; it knows the contracts and HTTP, nothing else."""
