"""Lines through twenty points, of which three or four are wrong: least squares and robust lines.

Data: Hogg, Bovy & Lang 2010 (arXiv:1008.4686), table 1: x, y, sigma_y. They give slope 2.24 +- 0.11
by the good points. Robust lines need no model of what is wrong; `examples/line_with_outliers` has
one, and tells how sure it is of each point.
"""

import matplotlib.pyplot as plt
import numpy as np

import equatorium as eq

TABLE = """
201 592 61  244 401 25  47 583 38  287 402 15  203 495 21  58 173 15  210 479 27  202 504 14
198 510 30  158 416 16  165 393 14  201 442 25  157 317 52  131 311 16  166 400 34  160 337 31
186 423 42  125 334 26  218 533 16  146 344 22
"""
x, y, y_err = np.array(TABLE.split(), dtype=float).reshape(20, 3).T
grid = np.array([[0.0], [300.0]])

figure, axes = plt.subplots(figsize=(6.4, 4.6), layout="constrained")
axes.errorbar(x, y, y_err, fmt="o", color="k", ms=4, ecolor="0.5", lw=1, zorder=3)
naive = np.polyfit(x, y, 1, w=1 / y_err)
print(f"least squares: slope {naive[0]:.2f}")
axes.plot(grid, np.polyval(naive, grid), color="0.5", ls="--", label="least squares")
names = {"huber": "Huber", "theil-sen": "Theil-Sen", "ransac": "RANSAC"}
for k, (method, name) in enumerate(names.items()):
    model = eq.emulator("robust", method=method).fit(x[:, None], y, noise=y_err**2)
    slope = model.line()[1][0, 0]
    left = ", ".join(str(i + 1) for i in np.flatnonzero(~model.inlier_))
    print(f"{method}: slope {slope:.2f}, left aside: points {left}")
    axes.plot(grid, model.predict(grid), color=f"C{k}", label=f"{name}, slope {slope:.2f}")
out = ~model.inlier_[:, 0]
axes.plot(x[out], y[out], "o", mfc="none", mec="C3", ms=11, label="left aside by RANSAC")
axes.set(xlabel="x", ylabel="y", xlim=(0, 300), ylim=(0, 750))
axes.legend(loc="lower right", frameon=False, fontsize=9)
figure.savefig("robust_lines.png", dpi=120)
