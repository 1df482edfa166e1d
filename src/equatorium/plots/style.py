"""One look for all figures: readable sizes, a palette that colour-blind readers can tell apart."""

from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any, Literal, ParamSpec

if TYPE_CHECKING:
    from matplotlib.figure import Figure

P = ParamSpec("P")

# Okabe & Ito (2008), https://jfly.uni-koeln.de/color/, in an order that also differs in lightness.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
DATA = "#000000"
MODEL, BACKGROUND, REFERENCE = PALETTE[0], "#9A9A9A", PALETTE[1]
WARNING = "#B00020"
SEQUENTIAL = "viridis"

STYLE: dict[str, Any] = {
    "font.size": 10.0,
    "axes.labelsize": 11.0,
    "axes.titlesize": 11.0,
    "xtick.labelsize": 9.0,
    "ytick.labelsize": 9.0,
    "legend.fontsize": 9.0,
    "legend.frameon": False,
    "axes.linewidth": 0.8,
    "lines.linewidth": 1.5,
    "xtick.direction": "in",
    "ytick.direction": "in",
    "xtick.top": True,
    "ytick.right": True,
    "axes.axisbelow": False,
    "figure.facecolor": "white",
    "figure.dpi": 150.0,
    "mathtext.default": "regular",
}


def styled(draw: Callable[P, "Figure"]) -> Callable[P, "Figure"]:
    """Draw in our style, whatever the caller's settings are, and leave those as they were."""

    @wraps(draw)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> "Figure":
        import matplotlib as mpl

        with mpl.rc_context():
            mpl.rcdefaults()
            mpl.rcParams.update(STYLE)  # type: ignore[arg-type]
            figure = draw(*args, **kwargs)
            # Ticks are made, and the layout is settled, while the style holds.
            figure.draw_without_rendering()
        return figure

    return wrapper


def blank(
    width: float, height: float, layout: Literal["constrained"] | None = "constrained"
) -> "Figure":
    """Return an empty figure (inches) that belongs to no window and lays itself out."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout=layout)
    FigureCanvasAgg(figure)
    return figure


def warn_on(figure: "Figure", notice: str) -> None:
    """Write what a reader must know, such as that draws have not converged, over a figure."""
    from matplotlib.font_manager import FontProperties

    style = FontProperties(size=11, weight="bold")
    if notice and figure.legends:  # a title would lie upon the legend
        figure.legends[0].set_title(notice, prop=style)
        figure.legends[0].get_title().set_color(WARNING)
    elif notice:
        figure.suptitle(notice, color=WARNING, fontproperties=style)


def inner_ticks(axis: Any, limits: tuple[float, float], most: int = 3) -> None:
    """Put few ticks on an axis, none near its ends, where labels of adjoining panels collide."""
    from matplotlib.ticker import FixedLocator, MaxNLocator

    low, high = sorted(limits)
    room = 0.1 * (high - low)
    ticks = MaxNLocator(most).tick_values(low, high)
    axis.set_major_locator(FixedLocator([t for t in ticks if low + room <= t <= high - room]))


def grid(count: int, columns: int) -> tuple[int, int]:
    """Return the rows and columns that hold ``count`` panels, at most ``columns`` in a row.

    >>> grid(5, 4), grid(3, 4)
    ((2, 3), (1, 3))
    """
    rows = -(-count // columns)
    return rows, -(-count // rows)
