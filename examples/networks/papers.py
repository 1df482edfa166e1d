"""Networks of papers, written in words: their parameters and map sizes.

python papers.py  ->  the table
"""

from equatorium_nets.layers import network, shapes
from equatorium_nets.resnet import BLOCKS, residual_layers

LEAKY_FIRST = "conv(32, 5) leaky conv(32, 3, 1, 1) leaky pool(2)"
CONV64 = "conv(64, 3, 1, 1) leaky " * 3 + "pool(2)"
CONV128 = "conv(128, 3, 1, 1) leaky " * 3 + "pool(2)"
STAMP = (3, 30, 30)  # MeerCRAB's: new image, reference, difference


def vetting(filters, units, flat=False):
    """Write a network that vets transients: convolutions of width 3, then dense layers.

    In both codes a dense layer comes before the maps are flattened: it acts on every pixel, as a
    convolution of width 1 does, and no activation follows. Dropout changes no count: MeerCRAB's
    shares vary a little from layer to layer.
    """
    text = [f"conv({n}, 3) relu pool(2) dropout(0.1)" for n in filters]
    dense = [f"dense({n})" if flat else f"conv({n}, 1)" for n in units]
    return " ".join([*text, *(["flatten"] if flat else []), " dropout(0.5) ".join(dense)])


# Name -> layers, shape of an example, outputs.
NETWORKS = {
    # Two hidden layers of 5, tanh; a committee has ten. Bailer-Jones 1997 (spectra of 821 pixels).
    "Bailer-Jones 1997": ("dense(5) tanh dense(5) tanh", (821,), 1),
    # The lecture's, on as many pixels.
    "lecture, n-250-100-1": ("dense(250) relu dense(100) relu", (821,), 1),
    # Their table 1: eight convolutions, three dense layers; dropout after the first two of these.
    "Kim & Brunner 2017": (
        f"{LEAKY_FIRST} {CONV64} {CONV128} flatten dense(2048) leaky dropout(0.5) "
        "dense(2048) leaky dropout(0.5)",
        (5, 44, 44),
        2,
    ),
    # A 34-layer residual network (He et al. 2016) with one output, and its batch norms.
    "Wu & Boada 2019": (residual_layers(64, BLOCKS, batch=True), (3, 128, 128), 1),
    # Real and bogus transients. The paper has Net1 with three pairs (A, B), Net2 and Net3. What is
    # in them is read off two later codes with networks of these names, MeerCRAB and FRBID (Hosenie
    # et al.): of Net1 both have the same, of the others each its own; one at most is the paper's.
    **{
        f"Gieseke et al. 2017, Net1({a}, {b})": (vetting((a,), (b, b)), STAMP, 2)
        for a, b in ((32, 64), (64, 128), (128, 256))
    },
    # The same where the dense layers stand behind `flatten`.
    "Net1(32, 64), flattened first": (vetting((32,), (64, 64), flat=True), STAMP, 2),
    "Net2 of FRBID": (vetting((32, 128), (512, 512)), STAMP, 2),
    "Net3 of FRBID": (vetting((16, 32, 64), (1000, 1000)), STAMP, 2),
    "Net2 of MeerCRAB": (vetting((256, 512), (512, 1024)), STAMP, 2),
    "Net3 of MeerCRAB": (vetting((512, 1024, 2048), (512, 1024, 2048)), STAMP, 2),
}


def counted(name):
    """Return how many numbers a network learns, and the sizes of its maps, each one once."""
    layers, shape, outputs = NETWORKS[name]
    count = sum(p.numel() for p in network(layers, shape, outputs).parameters())
    maps = dict.fromkeys(found for found in shapes(layers, shape) if len(found) == 3)
    return count, list(maps)


if __name__ == "__main__":
    for name, (_, shape, _) in NETWORKS.items():
        count, maps = counted(name)
        sizes = " -> ".join("x".join(map(str, size)) for size in (shape, *maps))
        print(f"{name}: {count:,} parameters; {sizes}")
