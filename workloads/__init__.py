"""What runs and ends: features, training, evaluation, promotion and batch inference."""

import os

# OpenMP reads it when torch is loaded. Threads that spin while they wait for one another make a
# step five times slower as soon as anything else wants a core.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
