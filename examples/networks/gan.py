"""A generative adversarial network from the building blocks: digits that nobody wrote.

python gan.py [epochs]  ->  the numbers, and gan.png

Goodfellow I. et al. 2014, NeurIPS 27, doi:10.48550/arXiv.1406.2661: a generator makes images of
noise, a discriminator tells them from real ones, and each learns against the other.
"""

import sys

import matplotlib.pyplot as plt
import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.neighbors import KNeighborsClassifier
from torch.nn.functional import binary_cross_entropy_with_logits as entropy

from equatorium_nets.members import Members

EPOCHS = int(sys.argv[1]) if len(sys.argv) > 1 else 60
X, y = load_digits(return_X_y=True)
X = X / 8.0 - 1.0  # from -1 to 1
NOISE, BATCH = 16, 64

torch.manual_seed(0)
rng = np.random.default_rng(0)
generator = Members.drawn("dense(128) leaky(0.2) dense(128) leaky(0.2)", (NOISE,), 64, [1])
discriminator = Members.drawn("dense(128) leaky(0.2) dropout(0.3)", (64,), 1, [2])
images = torch.tensor(X, dtype=torch.float32)
steps = {
    net: torch.optim.Adam(net.parameters(), lr=rate, betas=(0.5, 0.999))
    for net, rate in ((generator, 1e-3), (discriminator, 1e-3))
}


def made(n):
    """Make n images of noise."""
    return torch.tanh(generator.shared(torch.randn(n, NOISE))[0])


def believed(rows):
    """Return the log-odds, as the discriminator sees them, that images are real."""
    return discriminator.shared(rows)[0, :, 0]


def stepped(net, loss):
    """Go a step downhill."""
    steps[net].zero_grad()
    loss.backward()
    steps[net].step()


for _ in range(EPOCHS):
    for rows in np.array_split(rng.permutation(len(X)), len(X) // BATCH):
        real, fake = images[rows], made(len(rows))
        yes, no = 0.9 * torch.ones(len(rows)), torch.zeros(len(rows))
        loss = entropy(believed(real), yes) + entropy(believed(fake.detach()), no)
        stepped(discriminator, loss)
        stepped(generator, entropy(believed(fake), torch.ones(len(rows))))

generator.eval()
with torch.no_grad():
    fakes = made(len(X)).numpy().astype(float)
mean = np.corrcoef(fakes.mean(axis=0), X.mean(axis=0))[0, 1]
spread = fakes.std(axis=0).mean() / X.std(axis=0).mean()
noise = np.clip(rng.normal(X.mean(axis=0), X.std(axis=0), X.shape), -1, 1)
print(f"correlation of the mean images {mean:.3f}, spread of the pixels {spread:.2f} of the true")
tell = KNeighborsClassifier(1).fit(X, y)
for name, others in (("generated images", fakes), ("independent pixels", noise)):
    far = np.median(tell.kneighbors(others)[0])
    print(f"{name}: median distance to the nearest real digit {far:.2f}")
among = np.median(tell.kneighbors(X, n_neighbors=2)[0][:, 1])
shares = np.bincount(tell.predict(fakes), minlength=10) / len(fakes)
print(f"real digits: median distance to the nearest other {among:.2f}")
print(f"shares of 0 to 9 among the generated: {' '.join(f'{s:.2f}' for s in shares)}")

figure, axes = plt.subplots(1, 2, figsize=(7, 3.8), layout="constrained")
for axis, rows, title in zip(axes, (X, fakes), ("real", "generated"), strict=True):
    apart = np.pad(rows[:64].reshape(-1, 8, 8), ((0, 0), (1, 1), (1, 1)), constant_values=-1)
    grid = apart.reshape(8, 8, 10, 10).swapaxes(1, 2).reshape(80, 80)
    axis.imshow(grid, cmap="gray_r")
    axis.set_title(title, fontsize=10)
    axis.axis("off")
figure.savefig("gan.png", dpi=120)
