"""What runs and ends: features, training, evaluation, promotion and batch inference."""
