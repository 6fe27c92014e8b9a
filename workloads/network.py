"""The network: embeddings and piecewise-linear encodings into a multi-layer perceptron.

The encoding of numbers is that of Gorishniy et al., "On Embeddings for Numerical Features in
Tabular Deep Learning" (NeurIPS 2022): it gives a perceptron the thresholds that trees have.
"""

from itertools import pairwise
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from workloads.definition import Network
from workloads.encoder import Numbers


class PiecewiseLinear(nn.Module):
    """How much of each quantile bin a number fills, and whether it is missing."""

    lower: Tensor
    scale: Tensor

    def __init__(self, features: int, bins: int) -> None:
        super().__init__()
        self.register_buffer("lower", torch.zeros(features, bins))
        self.register_buffer("scale", torch.zeros(features, bins))

    def fit(self, numbers: Numbers) -> None:
        """Cut the bins at the quantiles of the training rows."""
        bins = self.lower.shape[1]
        for feature, column in enumerate(numbers.T):
            known = column[~np.isnan(column)]
            if not len(known):
                continue
            edges = np.unique(np.quantile(known, np.linspace(0, 1, bins + 1)))
            for piece, (low, high) in enumerate(pairwise(edges)):
                self.lower[feature, piece] = float(low)
                self.scale[feature, piece] = 1 / float(high - low)

    def forward(self, numbers: Tensor) -> Tensor:
        """Map (rows, features) to (rows, features * (bins + 1))."""
        missing = numbers.isnan()
        filled = ((numbers.unsqueeze(-1) - self.lower) * self.scale).clamp(0, 1)
        filled = filled.masked_fill(missing.unsqueeze(-1), 0)
        return torch.cat([filled.flatten(1), missing.to(filled.dtype)], dim=1)


class TabularNetwork(nn.Module):
    """Logit of the target from (rows, categorical) indices and (rows, numeric) numbers."""

    temperature: Tensor
    """Divides the logits; fitted on the tune split (Guo et al., ICML 2017)."""

    def __init__(self, shape: Network, vocabulary_sizes: list[int], numeric: int) -> None:
        super().__init__()
        widths = [min(32, 2 + size // 4) for size in vocabulary_sizes]
        self.embeddings = nn.ModuleList(
            nn.Embedding(size, width) for size, width in zip(vocabulary_sizes, widths, strict=True)
        )
        self.piecewise = PiecewiseLinear(numeric, shape.bins)
        width = sum(widths) + numeric * (shape.bins + 1)
        layers: list[nn.Module] = []
        for hidden in shape.hidden:
            layers += [nn.Linear(width, hidden), nn.ReLU(), nn.Dropout(shape.dropout)]
            width = hidden
        self.layers = nn.Sequential(*layers, nn.Linear(width, 1))
        self.register_buffer("temperature", torch.ones(()))

    def forward(self, indices: Tensor, numbers: Tensor) -> Tensor:
        """Return the uncalibrated logits, (rows,)."""
        embedded = [embed(indices[:, i]) for i, embed in enumerate(self.embeddings)]
        return cast(
            Tensor, self.layers(torch.cat([*embedded, self.piecewise(numbers)], 1))
        ).squeeze(1)

    def probability(self, indices: Tensor, numbers: Tensor) -> Tensor:
        """Return calibrated probabilities, (rows,)."""
        logits = cast(Tensor, self(indices, numbers)).float()
        return torch.sigmoid(logits / self.temperature)
