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
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import cross_val_score
from torch.nn.functional import binary_cross_entropy_with_logits as entropy

from equatorium_nets.members import Members

EPOCHS = int(sys.argv[1]) if len(sys.argv) > 1 else 60
X = load_digits().data / 8.0 - 1.0  # from -1 to 1
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
for name, others in (("generated", fakes), ("independent pixels", noise)):
    both, real = np.vstack([X, others]), np.repeat([1, 0], len(X))
    told = cross_val_score(RandomForestClassifier(50, random_state=0), both, real, cv=3).mean()
    print(f"a forest tells {name} from real digits: {100 * told:.0f} % right")

figure, axes = plt.subplots(1, 2, figsize=(7, 3.8), layout="constrained")
for axis, rows, title in zip(axes, (X, fakes), ("real", "generated"), strict=True):
    grid = rows[:64].reshape(8, 8, 8, 8).swapaxes(1, 2).reshape(64, 64)
    axis.imshow(grid, cmap="gray_r")
    axis.set_title(title, fontsize=10)
    axis.axis("off")
figure.savefig("gan.png", dpi=120)
