"""What learners have: their enrolments, and everything that stands on their record, at every member."""
