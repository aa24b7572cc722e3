"""Every figure of the project, in one style: the only file that imports matplotlib.

Colours are those of Okabe and Ito, told apart by colour-blind readers; marker and line style change with the colour, so
that a grey print can be read too. Each helper draws into the axes it is given, or into a new figure, and returns the
figure; nothing here touches pyplot or any other global state.
"""

from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LogNorm, Normalize, to_rgba
from matplotlib.container import Container
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from matplotlib.transforms import ScaledTranslation

from empirical.records import write

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#F0E442")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
DASHES = ("-", "--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1)), (0, (1, 1)), (0, (7, 2)))
_MOVABLE = "movable-legend"
_STYLE: Any = {  # Any: matplotlib types the keys as a union of 300 literals
    "font.size": 9.0,
    "axes.titlesize": 9.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#dddddd",
    "grid.linewidth": 0.5,
    "axes.axisbelow": True,
    "lines.linewidth": 1.4,
    "lines.markersize": 4.0,
    "legend.fontsize": 8.0,
    "legend.framealpha": 0.8,
    "legend.edgecolor": "none",
    "figure.dpi": 150.0,
    "svg.fonttype": "path",
    "svg.hashsalt": "theory2",  # the ids inside an SVG, else random: the same numbers give the same file
}


def style(index: int) -> dict[str, Any]:
    """Colour, marker and line style number `index`, as keywords of `Axes.plot`."""
    k = index % len(COLOURS)
    return {"color": COLOURS[k], "marker": MARKERS[k], "linestyle": DASHES[k]}


def panels(columns: int, rows: int = 1, *, width: float = 3.4, height: float = 2.7) -> tuple[Figure, list[Axes]]:
    """A figure of rows x columns empty axes, each width x height inches, in reading order."""
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=(width * columns, height * rows), layout="constrained")
        grid = figure.subplots(rows, columns, squeeze=False)
    return figure, list(grid.ravel())


def space(
    series: Mapping[str, Any],
    *,
    names: Sequence[str],
    limits: Sequence[tuple[float, float]],
    title: str = "",
    connected: bool = False,
    marks: Mapping[str, Any] | None = None,
    mark_label: str = "",
    view: tuple[float, float] = (20.0, -60.0),
) -> Figure:
    """Curves or clouds of points in three dimensions: label -> (p, 3), joined by lines if connected.

    marks: label -> (p, 3), large dots in the colour of the series of that label; mark_label: what they are.
    names, limits: of the three axes; what lies beyond is left out. view: elevation and azimuth in degrees.
    """
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=(5.4, 4.2), layout="constrained")
        axes: Any = figure.add_subplot(projection="3d")  # Any: the stubs of Axes lack the third axis
        for k, (label, points_) in enumerate(series.items()):
            look: dict[str, Any] = {"color": COLOURS[k % len(COLOURS)], "label": label}
            look |= {} if connected else {"linestyle": "none", "marker": ".", "markersize": 3.0, "alpha": 0.4}
            axes.plot(*_inside(points_, limits), **look)
            if label in (marks or {}):
                axes.plot(*_inside((marks or {})[label], limits), "o", color=look["color"], markeredgecolor="black")
        if marks:
            axes.plot([], [], [], "o", color="white", markeredgecolor="black", label=mark_label)
        for axis, name, pair in zip("xyz", names, limits, strict=True):
            axes.set(**{f"{axis}label": name, f"{axis}lim": pair})
        axes.set_title(title)
        axes.view_init(*view)
        figure.legend(loc="upper left")
    return figure


def _inside(points: Any, limits: Sequence[tuple[float, float]]) -> np.ndarray:
    """Points (p, 3) as rows of coordinates (3, p), NaN where beyond the limits."""
    rows = np.array(points, float).reshape(-1, 3)
    low, high = np.transpose(limits)
    rows[((rows < low) | (rows > high)).any(axis=1)] = np.nan
    return rows.T


def lines(
    series: Mapping[str, Sequence[Any]],
    *,
    x: str,
    y: str,
    title: str = "",
    log: str = "",
    markers: bool = True,
    limits: tuple[float, float] | None = None,
    first: int = 0,
    axes: Axes | None = None,
) -> Figure:
    """One line an entry of series: label -> (x, y) or (x, y, spread), spread shown as a band of y ± spread.

    x, y: the axes' names, with units. log: any of "x", "y", "xy". limits: of the y axis.
    first: which style the first of the series has. A NaN breaks a line.
    """
    axes = axes or _alone()
    with matplotlib.rc_context(_STYLE):
        for k, (label, (horizontal, vertical, *spread)) in enumerate(series.items()):
            look = style(first + k) if markers else {**style(first + k), "marker": None}
            at, values = np.asarray(horizontal, float), np.asarray(vertical, float)
            axes.plot(at, values, label=label, **look)
            if spread:
                band = np.asarray(spread[0], float)
                axes.fill_between(at, values - band, values + band, color=look["color"], alpha=0.2, linewidth=0)
        _finish(axes, x, y, title, log, limits, legend=True)
    return _figure(axes)


def points(
    series: Mapping[str, Sequence[Any]],
    *,
    x: str,
    y: str,
    title: str = "",
    log: str = "",
    limits: tuple[float, float] | None = None,
    first: int = 0,
    axes: Axes | None = None,
) -> Figure:
    """One set of unconnected points an entry of series: label -> (x, y) or (x, y, error), error drawn as a bar.

    The other arguments are those of `lines`.
    """
    axes = axes or _alone()
    with matplotlib.rc_context(_STYLE):
        for k, (label, (horizontal, vertical, *error)) in enumerate(series.items()):
            look = {**style(first + k), "linestyle": "none"}
            axes.errorbar(horizontal, vertical, yerr=error[0] if error else None, label=label, capsize=2.0, **look)
        _finish(axes, x, y, title, log, limits, legend=True)
    return _figure(axes)


def bars(
    labels: Sequence[str],
    groups: Mapping[str, Sequence[float]],
    *,
    x: str,
    y: str,
    errors: Mapping[str, Sequence[float]] | None = None,
    title: str = "",
    log: str = "",
    limits: tuple[float, float] | None = None,
    axes: Axes | None = None,
) -> Figure:
    """Bars side by side: one cluster a label, one bar of it a group; errors: half-lengths of error bars by group."""
    axes = axes or _alone()
    places, width = np.arange(len(labels), dtype=float), 0.8 / len(groups)
    with matplotlib.rc_context(_STYLE):
        for k, (group, heights) in enumerate(groups.items()):
            shift = (k - (len(groups) - 1) / 2) * width
            error = (errors or {}).get(group)
            hatch = ("", "//", "..", "xx", "\\\\", "++", "oo", "--")[k % 8]
            axes.bar(places + shift, np.asarray(heights, float), 0.92 * width, yerr=error, capsize=2.0, label=group,
                     color=COLOURS[k % len(COLOURS)], hatch=hatch, edgecolor="white", linewidth=0.0)  # fmt: skip
        axes.set_xticks(places, list(labels))
        _finish(axes, x, y, title, log, limits, legend=True)
        axes.grid(visible=False, axis="x")
    return _figure(axes)


def histogram(
    samples: Mapping[str, Any] | np.ndarray,
    *,
    x: str,
    y: str = "density",
    bins: int | Sequence[float] = 40,
    curves: Mapping[str, Sequence[Any]] | None = None,
    title: str = "",
    log: str = "",
    axes: Axes | None = None,
) -> Figure:
    """Normalised histograms of samples (an array, or label -> array) on shared bins; curves: label -> (x, density)."""
    axes = axes or _alone()
    named = samples if isinstance(samples, Mapping) else {"samples": samples}
    arrays = {label: np.ravel(np.asarray(values, float)) for label, values in named.items()}
    edges = np.histogram_bin_edges(np.concatenate(list(arrays.values())), bins=bins)
    with matplotlib.rc_context(_STYLE):
        for k, (label, values) in enumerate(arrays.items()):
            density, _ = np.histogram(values, bins=edges, density=True)
            axes.stairs(density, edges, fill=True, alpha=0.45, color=COLOURS[k % len(COLOURS)], label=label)
        for k, (label, (at, height)) in enumerate((curves or {}).items()):
            look = style(len(arrays) + k)
            axes.plot(at, height, label=label, color=look["color"], linestyle=look["linestyle"])
        _finish(axes, x, y, title, log, None, legend=True)
    return _figure(axes)


def contour(
    x: Any,
    y: Any,
    heights: Any,
    *,
    names: Sequence[str],
    path: Any = None,
    quantity: str = "loss",
    title: str = "",
    limits: tuple[float, float] | None = None,
    axes: Axes | None = None,
) -> Figure:
    """Level lines of heights (n, m) over x (n,) and y (m,), spaced evenly, or by factors where they span more than 30.

    path: (p, 2) points joined in their order, the last one a star. NaN, where nothing is known, is hatched.
    limits: least and largest level, where several figures are to share them
    """
    axes = axes or _alone()
    values = np.ma.masked_invalid(np.asarray(heights, float).T)
    with matplotlib.rc_context(_STYLE):
        axes.grid(visible=False)
        axes.set_facecolor("#eeeeee")
        if values.mask.any():
            axes.fill_between(x, y[0], y[-1], facecolor="none", hatch="xxx", edgecolor="#bbbbbb", linewidth=0, zorder=0)
        levels, norm = _levels(values if limits is None else np.ma.masked_invalid(limits))
        filled = axes.contourf(x, y, values, levels, norm=norm, cmap="cividis", extend="both")
        drawn = axes.contour(x, y, values, levels, norm=norm, colors="white", linewidths=0.5)
        axes.clabel(drawn, levels[1::3], fontsize=6.0, fmt="%.3g")
        if path is not None:
            across, up = np.asarray(path, float).T
            axes.plot(across, up, color=COLOURS[1], marker="o", markersize=2.5, linewidth=1.0)
            axes.plot(across[-1:], up[-1:], color=COLOURS[1], marker="*", markersize=9.0)
        _figure(axes).colorbar(filled, ax=axes, label=quantity, format="%.3g")
        _finish(axes, names[0], names[1], title, "", None, legend=False)
    return _figure(axes)


def landscape(x: Any, y: Any, heights: Any, *, names: Sequence[str], quantity: str = "loss", title: str = "") -> Figure:
    """Heights (n, m) over x (n,) and y (m,) in three dimensions, logarithmic where they span a factor above 30."""
    values = np.asarray(heights, float).T
    logarithmic = isinstance(_levels(np.ma.masked_invalid(values))[1], LogNorm)
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=(5.4, 4.4), layout="constrained")
        axes: Any = figure.add_subplot(projection="3d")  # Any: the stubs of Axes lack the third axis
        shown = np.log10(values) if logarithmic else values
        across, up = np.meshgrid(x, y)
        axes.plot_surface(across, up, shown, cmap="cividis", linewidth=0.1, edgecolor="#444444", rcount=80, ccount=80)
        broken = [name.replace(" (", "\n(") for name in names]
        axes.set(xlabel=broken[0], ylabel=broken[1], zlabel=f"log10 of {quantity}" if logarithmic else quantity)
        axes.set_title(title)
        axes.tick_params(labelsize=7.0)
        axes.locator_params(axis="x", nbins=5)
        axes.locator_params(axis="y", nbins=5)
        axes.xaxis.labelpad = axes.yaxis.labelpad = 9.0
        axes.set_box_aspect(None, zoom=0.82)
        axes.view_init(32.0, -55.0)
    return figure


def _levels(values: np.ma.MaskedArray) -> tuple[np.ndarray, Normalize]:
    """16 levels between the least and the largest value known: by factors if all are positive and span more than 30."""
    known = values.compressed()
    low, high = (float(known.min()), float(known.max())) if len(known) else (0.0, 1.0)
    if high <= low:
        low, high = low - 0.5, high + 0.5
    if low > 0 and high > 30 * low:
        return np.geomspace(low, high, 16), LogNorm(low, high)
    return np.linspace(low, high, 16), Normalize(low, high)


def paths(
    series: Mapping[str, Any],
    *,
    texts: Mapping[str, Sequence[str]] | None = None,
    title: str = "",
    axes: Axes | None = None,
) -> Figure:
    """Ways through a map whose units and directions mean nothing: label -> (p, 2), joined in their order.

    A circle is where each starts, a large star where it ends; texts: label -> one text a point, "" for none.
    """
    axes = axes or _alone()
    with matplotlib.rc_context(_STYLE):
        for k, (label, way) in enumerate(series.items()):
            across, up = np.asarray(way, float).T
            look = style(k)
            axes.plot(across, up, label=label, markersize=2.5, linewidth=0.9, **look)
            axes.plot(across[:1], up[:1], "o", color=look["color"], markerfacecolor="white", markersize=6.0)
            axes.plot(across[-1:], up[-1:], "*", color=look["color"], markeredgecolor="black", markersize=10.0)
        axes.set_aspect("equal", adjustable="datalim")
        axes.tick_params(labelsize=6.0)
        axes.locator_params(nbins=4)
        told = [
            (place, text)
            for label, way in series.items()
            for place, text in zip(np.asarray(way, float), (texts or {}).get(label, ()), strict=False)
        ]
        _tell(axes, told, np.concatenate([np.asarray(way, float) for way in series.values()]))
        _finish(axes, "first axis of the map", "second axis", title, "", None, legend=True)
    return _figure(axes)


def _tell(axes: Axes, told: Sequence[tuple[np.ndarray, str]], drawn: np.ndarray) -> None:
    """Texts, where they are not empty, beside their places (2,) in a map where so much is drawn (q, 2)."""
    named = [(place, text) for place, text in told if text]
    panel = 72 * np.array(axes.get_position().size) * _figure(axes).get_size_inches()
    panel *= 0.8  # ticks and names take the rest
    for (place, text), shift in zip(named, _free([place for place, _ in named], drawn, panel), strict=True):
        look: Any = {"fontsize": 6.0, "color": "#333333", "ha": "center", "va": "center"}
        axes.annotate(text, (place[0], place[1]), xytext=shift, textcoords="offset points", **look)


def _free(places: Sequence[np.ndarray], drawn: np.ndarray, panel: np.ndarray) -> list[tuple[float, float]]:
    """For a text at each of the places (2,) the shift, in points, that takes it farthest from all that is drawn
    (q, 2) and from the texts before it, and not out of the panel, so many points wide and high."""
    shifts = np.array([(16, 5), (0, 10), (-16, 5), (16, -5), (0, -10), (-16, -5)])
    low, high = drawn.min(axis=0), drawn.max(axis=0)
    point = ((high - low) / (0.9 * panel)).max()  # one scale for both axes, and a margin
    size, taken, found = np.array([1.6, 1.0]), drawn, []  # texts are wider than high
    for place in places:
        spots = place + point * shifts
        beyond = np.abs(spots - (low + high) / 2) + point * 5 * size - point * panel / 2
        room = np.linalg.norm((taken[:, None] - spots) / size, axis=2).min(axis=0)
        best = int(np.argmax(room - beyond.clip(0).sum(axis=1)))
        taken = np.concatenate([taken, spots[best : best + 1]])
        found.append((float(shifts[best, 0]), float(shifts[best, 1])))
    return found


def trails(
    ways: Sequence[Any],
    values: Sequence[float],
    *,
    quantity: str,
    texts: Sequence[str] = (),
    title: str = "",
    axes: Axes | None = None,
) -> Figure:
    """Many ways (p, 2) through one map, each in the colour of its value; a star where it ends, and there its text."""
    axes = axes or _alone()
    colours, norm = matplotlib.colormaps["cividis"], Normalize(min(values), max(values))
    with matplotlib.rc_context(_STYLE):
        for way, value in zip(ways, values, strict=True):
            across, up = np.asarray(way, float).T
            colour = colours(norm(value))
            axes.plot(across, up, "-", color=colour, linewidth=0.8)
            axes.plot(
                across[-1:], up[-1:], "*", color=colour, markeredgecolor="black", markeredgewidth=0.4, markersize=7.0
            )
        drawn = [np.asarray(way, float) for way in ways]
        _tell(axes, [(way[-1], text) for way, text in zip(drawn, texts, strict=False)], np.concatenate(drawn))
        bar = _figure(axes).colorbar(ScalarMappable(norm, colours), ax=axes, label=quantity)
        bar.locator = MaxNLocator(6, integer=True)
        axes.set_aspect("equal", adjustable="datalim")
        axes.locator_params(nbins=5)
        axes.tick_params(labelsize=6.0)
        _finish(axes, "first axis of the map", "second axis", title, "", None, legend=False)
    return _figure(axes)


def matrix(
    values: Any,
    *,
    x: str,
    y: str,
    quantity: str,
    labels: Sequence[str] | None = None,
    limits: tuple[float, float] | None = None,
    title: str = "",
    axes: Axes | None = None,
) -> Figure:
    """A matrix as squares of a colour scale, its first row on top; labels: of rows and columns alike."""
    axes = axes or _alone()
    numbers = np.asarray(values, float)
    low, high = limits or (float(np.nanmin(numbers)), float(np.nanmax(numbers)))
    with matplotlib.rc_context(_STYLE):
        drawn = axes.imshow(numbers, cmap="cividis", vmin=low, vmax=high)
        _figure(axes).colorbar(drawn, ax=axes, label=quantity)
        _finish(axes, x, y, title, "", None, legend=False)
        if labels is not None:
            axes.set_xticks(range(numbers.shape[1]), list(labels), fontsize=6.0, rotation=90)
            axes.set_yticks(range(numbers.shape[0]), list(labels), fontsize=6.0)
        axes.grid(visible=False)
    return _figure(axes)


def mark(
    axes: Axes, value: float, text: str, *, vertical: bool = False, below: bool = False, left: bool = False
) -> None:
    """A thin dotted line at a reference value (a prediction, a threshold) with its text at its end, or below it.

    left: the text at the left end of a horizontal line, where curves leave more room
    """
    look: dict[str, Any] = {"textcoords": "offset points", "fontsize": 7, "color": "#555555"}
    with matplotlib.rc_context(_STYLE):
        if vertical:
            axes.axvline(value, color="#555555", linestyle=":", linewidth=1.0)
            axes.annotate(text, (value, 0.02), xycoords=("data", "axes fraction"), xytext=(3, 0), va="bottom", **look)
        else:
            axes.axhline(value, color="#555555", linestyle=":", linewidth=1.0)
            at, side = ((0, -2), "top") if below else ((0, 2), "bottom")
            end, align = (0.01, "left") if left else (0.99, "right")
            axes.annotate(text, (end, value), xycoords=("axes fraction", "data"), xytext=at, ha=align, va=side, **look)


def save(figure: Figure, folder: str | Path, name: str) -> tuple[Path, Path]:
    """Write folder/name.png (200 dots per inch) and folder/name.svg; the same numbers give the same files."""
    png, svg = BytesIO(), BytesIO()
    with matplotlib.rc_context(_STYLE):
        _place_legends(figure)
        figure.draw_without_rendering()
        if any(axes.get_aspect() != "auto" for axes in figure.axes):  # then the layout has changed limits and ticks
            figure.draw_without_rendering()
        figure.set_layout_engine(None)  # laid out once for both files, not twice for each: half of the time
        figure.savefig(png, format="png", dpi=200, metadata={"Software": None})
        figure.savefig(svg, format="svg", metadata={"Date": None, "Creator": None})
    folder = Path(folder)
    return write(folder / f"{name}.png", png.getvalue()), write(folder / f"{name}.svg", svg.getvalue())


def _alone() -> Axes:
    return panels(1, width=4.4, height=3.1)[1][0]


def _figure(axes: Axes) -> Figure:
    figure = axes.get_figure(root=True)
    if figure is None:
        raise ValueError("these axes belong to no figure; take them from panels(...)")
    return figure


def _finish(
    axes: Axes, x: str, y: str, title: str, log: str, limits: tuple[float, float] | None, *, legend: bool
) -> None:
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.set_title(title)
    if "x" in log:
        axes.set_xscale("log")
    if "y" in log:
        axes.set_yscale("log")
    if limits is not None:
        axes.set_ylim(limits)
    if legend and len(axes.get_legend_handles_labels()[1]) > 1:  # of all that was drawn here, not of this call alone
        axes.legend().set_gid(_MOVABLE)


def _place_legends(figure: Figure) -> None:
    """Take the legends out of the panels, where they would cover what is drawn: below the panel each belongs to, or one
    below the figure if the panels' legends agree which colour means what."""
    found = [
        (axes, own) for axes in figure.axes if (own := axes.get_legend()) is not None and own.get_gid() == _MOVABLE
    ]
    for _, own in found:
        own.remove()
    owners = [axes for axes, _ in found]
    entries = [dict(zip(*reversed(axes.get_legend_handles_labels()), strict=True)) for axes in owners]
    meanings = {(label, _colour(handle)) for some in entries for label, handle in some.items()}
    shared = len(owners) > 1 or len(figure.axes) == 1  # one panel's legend says nothing of the others
    agree = shared and len(meanings) == len({label for label, _ in meanings}) == len({colour for _, colour in meanings})
    together = {label: handle for some in entries[::-1] for label, handle in some.items()}
    names = list(dict.fromkeys(label for some in entries for label in some))
    width, height = figure.get_size_inches()
    rows = 0
    for axes, some in zip(owners, entries, strict=True):
        if not agree:
            columns, own_rows = _table([*some], axes.get_position().width * width)
            below = axes.transAxes + ScaledTranslation(0, -0.5, figure.dpi_scale_trans)  # below the name of the axis
            axes.legend(some.values(), some.keys(), loc="upper center", bbox_to_anchor=(0.5, 0.0), ncols=columns,
                        bbox_transform=below, borderaxespad=0.0)  # fmt: skip
            rows = max(rows, own_rows * len({round(one.get_position().y0, 3) for one in owners}))
    if agree and entries:
        columns, rows = _table(names, width)
        figure.legend([together[name] for name in names], names, loc="outside lower center", ncols=columns)
    figure.set_size_inches(width, height + 0.18 * rows)


def _table(names: Sequence[str], width: float) -> tuple[int, int]:
    """Columns and rows of a legend that fits into so many inches."""
    columns = max(1, min(len(names), int(width / (0.5 + 0.065 * max(map(len, names))))))
    return columns, -(-len(names) // columns)


def _colour(handle: Any) -> tuple[float, ...]:
    """Of a line, or of a patch, of a legend."""
    if isinstance(handle, Container):
        handle = handle[0]
    return to_rgba(handle.get_color() if isinstance(handle, Line2D) else handle.get_facecolor())
