"""Archive files become landed rows: one module per format, all known to ``formats``, landed by ``landing``."""
