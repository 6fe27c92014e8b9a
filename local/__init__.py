"""The platform on one machine, as processes."""
