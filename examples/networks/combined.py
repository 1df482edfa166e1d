"""Exclusive or; components beside pixels; networks that are bagged.

python combined.py [digits]  ->  the numbers
"""

import sys

import numpy as np
from sklearn.datasets import load_digits
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import FunctionTransformer

import equatorium as eq
from equatorium_nets.members import Members

N = int(sys.argv[1]) if len(sys.argv) > 1 else 1797

# Exclusive or by hand (Goodfellow, Bengio & Courville 2016, section 6.1): h = relu(W x + c).
X = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
y = np.array([0, 1, 1, 0])
by_hand = {
    "0.weight": [[1, 1], [1, 1]],
    "0.bias": [0, -1],
    "2.weight": [[1, -2]],
    "2.bias": [0],
}
weights = {name: np.array([w], dtype=np.float32) for name, w in by_hand.items()}
fixed = Members.of_state("dense(2) relu", (2,), 1, weights)
print("exclusive or, fixed weights:", fixed.predict(X)[0, :, 0].tolist())

# Learned: two units often get stuck, eight leaky ones hardly ever.
how = {"validation": 0.0, "epochs": 300, "batch_size": 4, "learning_rate": 0.02, "random_state": 0}
for layers in ("dense(2) relu", "dense(8) leaky"):
    many = eq.classifier("mlp-classifier", layers=layers, n_members=30, **how).fit(X, y)
    right = sum((one.predict(X) == y).all() for one in many.members_)
    print(f"exclusive or, learned by {layers}: {right} of 30")

# Principal components as inputs beside the raw pixels: scikit-learn's union, our parts.
pixels, digit = load_digits(return_X_y=True)
order = np.random.default_rng(0).permutation(len(pixels))[:N]
fit, test = order[: 3 * N // 4], order[3 * N // 4 :]
net = {"layers": "dense(64) relu", "n_members": 3, "epochs": 40, "batch_size": 64}
components = eq.embedder("pca", n_components=30)
for name, first in (
    ("pixels", FunctionTransformer()),
    ("30 components", components),
    ("pixels and components", make_union(FunctionTransformer(), components)),
):
    model = make_pipeline(first, eq.classifier("mlp-classifier", random_state=0, **net))
    right = (model.fit(pixels[fit], digit[fit]).predict(pixels[test]) == digit[test]).mean()
    print(f"digits by {name}: {right:.3f}")

# Bagged networks: each learns from a bootstrap sample of noisy runs.
rng = np.random.default_rng(1)
X = rng.uniform(-1, 1, (150, 2))
wave = lambda X: np.sin(3 * X[:, 0]) * X[:, 1]  # noqa: E731
y, at = wave(X) + 0.2 * rng.normal(size=150), rng.uniform(-1, 1, (2000, 2))
one = {"layers": "dense(64) tanh", "n_members": 1, "epochs": 150, "validation": 0.0}
member = eq.network("mlp", learning_rate=0.01, **one)
bagged = eq.ensemble("bagging", member=member, n_estimators=10, random_state=0).fit(X, y)
single = np.mean((bagged.predict_members(at)[..., 0] - wave(at)) ** 2)
mean = np.mean((bagged.predict(at) - wave(at)) ** 2)
print(f"noisy runs: rms error of one network {single**0.5:.3f}, of ten bagged ones {mean**0.5:.3f}")
