"""The rules of what members state; nothing here knows of a database, a request or a library."""
