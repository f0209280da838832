"""Pages for people, shared by the services that have some: sign-in, sessions, safe headers, one look."""
