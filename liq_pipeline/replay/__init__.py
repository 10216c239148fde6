"""Recordings played again: through the real parsers into the event streams, merged by time, at any speed."""
