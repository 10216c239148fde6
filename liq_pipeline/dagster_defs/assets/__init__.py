"""The assets, in the order the data flows: sources, landing, detection, rollups."""
