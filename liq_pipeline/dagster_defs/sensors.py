"""What starts runs by looking: the collector's shifts and the days that are stale."""
