"""What is misconfigured, and how to mend it: one finding per thing looked at. Nothing is changed or started."""
