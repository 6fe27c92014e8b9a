"""What runs and ends: features, training, evaluation, promotion and batch inference."""

import os

# OpenMP reads it when torch is loaded. Threads that spin while they wait for one another make a
# step five times slower as soon as anything else wants a core.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

# pyarrow reads it when it is loaded. Its own pool keeps what is freed for each thread.
os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
