"""The members' portals, where learners see their record: pages and sessions, everything else is asked for over REST."""
