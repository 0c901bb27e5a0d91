"""Pictures of a result. Each takes what it shows and returns a `Figure`, which nobody else holds."""
