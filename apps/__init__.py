"""Applications that the platform keeps running."""
