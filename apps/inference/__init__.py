"""The inference service: answers from the model version that an alias points to."""
