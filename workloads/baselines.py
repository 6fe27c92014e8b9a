"""The two honest rivals of every model: the base rate, and gradient-boosted trees."""

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from sklearn.ensemble import HistGradientBoostingClassifier

from workloads.encoder import Encoder
from workloads.metrics import Vector
from workloads.view import TARGET

MOST_CATEGORIES = 255  # scikit-learn's limit; above it, entries are taken as ordered


def base_rate(train: pa.Table, rows: int) -> Vector:
    """Return the share of positives in training, for every row."""
    return np.full(rows, float(np.mean(train[TARGET].to_numpy())))


def trees(encoder: Encoder, train: pa.Table, tune: pa.Table, rows: pa.Table) -> Vector:
    """Return the probabilities of scikit-learn's HistGradientBoosting with the same features.

    Like the network, it stops where the tune split says so.
    """
    categorical = [i for i, size in enumerate(encoder.sizes) if size <= MOST_CATEGORIES]
    model = HistGradientBoostingClassifier(
        max_iter=300,
        categorical_features=categorical or None,
        early_stopping=True,
        random_state=0,
    )
    model.fit(
        _matrix(encoder, train),
        train[TARGET].to_numpy(),
        X_val=_matrix(encoder, tune),
        y_val=tune[TARGET].to_numpy(),
    )
    return np.asarray(model.predict_proba(_matrix(encoder, rows)))[:, 1]


def _matrix(encoder: Encoder, rows: pa.Table) -> npt.NDArray[np.float32]:
    indices, numbers = encoder.encode(rows)
    return np.concatenate([indices.astype(np.float32), numbers], axis=1)
