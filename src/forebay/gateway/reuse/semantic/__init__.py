"""Answers given to questions that mean the same: what may be compared, what must not differ, what is near."""
