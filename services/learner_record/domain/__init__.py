"""Rules of the learner record, in pure code on the standard library alone."""
