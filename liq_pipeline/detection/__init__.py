"""Cascades and their risk: pure functions of sorted columns, on event time, without I/O, settings or clock."""
