"""Figures: legends lie outside the panels, one for all of them where they agree."""

import numpy as np
import pytest

from empirical import plotting

AT = np.arange(4.0)


def curves(*names):
    return {name: (AT, (k + 1) * AT) for k, name in enumerate(names)}


def overlaps(figure, legend):
    box = legend.get_window_extent()
    return any(box.overlaps(axes.get_window_extent()) for axes in figure.axes)


@pytest.mark.parametrize("second", [("a", "b"), ("a", "b", "c")])
def test_panels_whose_legends_agree_share_one_outside(tmp_path, second):
    figure, (left, right) = plotting.panels(2)
    plotting.lines(curves("a", "b"), x="x", y="y", axes=left)
    plotting.points(curves(*second), x="x", y="y", axes=right)
    plotting.save(figure, tmp_path, "figure")
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == list(second)
    assert left.get_legend() is None is right.get_legend()
    assert not overlaps(figure, legend)


def test_panels_in_which_a_colour_means_different_things_keep_their_own_below_them(tmp_path):
    figure, (left, right) = plotting.panels(2)
    plotting.lines(curves("a", "b"), x="x", y="y", axes=left)
    plotting.bars(["1", "2"], {"c": [1.0, 2.0], "d": [2.0, 1.0]}, x="x", y="y", axes=right)
    plotting.save(figure, tmp_path, "figure")
    assert not figure.legends
    figure.draw_without_rendering()  # saving has left the places of its own resolution
    for axes, names in ((left, ["a", "b"]), (right, ["c", "d"])):
        legend = axes.get_legend()
        assert [text.get_text() for text in legend.get_texts()] == names
        assert not overlaps(figure, legend)
        label = axes.xaxis.label.get_window_extent()
        assert not legend.get_window_extent().overlaps(label)


def test_what_two_calls_draw_into_one_panel_has_one_legend(tmp_path):
    figure, (left, right) = plotting.panels(2)
    plotting.lines(curves("a"), x="x", y="y", axes=left)
    plotting.points(curves("b"), x="x", y="y", first=1, axes=left)
    plotting.lines(curves("a"), x="x", y="y", axes=right)
    assert right.get_legend() is None
    plotting.save(figure, tmp_path, "figure")
    assert [text.get_text() for text in left.get_legend().get_texts()] == ["a", "b"]


def test_a_legend_of_one_panel_among_several_stays_below_it(tmp_path):
    figure, (left, right) = plotting.panels(2)
    plotting.lines(curves("a"), x="x", y="y", axes=left)
    plotting.lines(curves("b", "c"), x="x", y="y", axes=right)
    plotting.save(figure, tmp_path, "figure")
    assert not figure.legends
    figure.draw_without_rendering()
    legend = right.get_legend()
    assert not overlaps(figure, legend)
    assert legend.get_window_extent().x0 > left.get_window_extent().x1


def test_a_figure_saved_twice_is_the_same_file(tmp_path):
    figure = plotting.lines(curves("a", "b"), x="x", y="y")
    files = [plotting.save(figure, tmp_path, name) for name in ("one", "two")]
    assert files[0][1].read_bytes() == files[1][1].read_bytes()


def test_texts_on_a_map_lie_beside_each_other_and_inside_the_panel():
    ways = {"one": [(0, 0), (1, 0.01)], "other": [(0, 1), (1, 0)]}  # both end at nearly the same place
    figure = plotting.paths(ways, texts={"one": ["", "0.0%"], "other": ["", "1.0%"]})
    axes = figure.axes[0]
    figure.draw_without_rendering()
    panel = axes.get_window_extent()
    boxes = [text.get_window_extent() for text in axes.texts]
    assert len(boxes) == 2
    assert not boxes[0].overlaps(boxes[1])
    assert all(panel.x0 <= box.x0 and box.x1 <= panel.x1 for box in boxes)
    end = axes.transData.transform((1, 0))
    assert all(np.abs(np.array([box.x0 + box.x1, box.y0 + box.y1]) / 2 - end).max() > box.height for box in boxes)
