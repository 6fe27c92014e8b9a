"""One file a model: a module `<name with underscores>` that holds `MODEL`, a `ModelDefinition`."""
