"""The auditor: SQL over what all services have stored, which says where an invariant of docs/reliability.md is broken.

It reads each service's database under the service's own role, in one read-only snapshot, and compares the copies in
temporary tables of operations' database. It changes nothing, and shares no code with what it examines.
"""
