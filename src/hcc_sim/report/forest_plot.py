"""Every hazard ratio on one page, with the ratio of medians beside it."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator
from matplotlib.transforms import blended_transform_factory

from hcc_sim.figures import Evidence, Study
from hcc_sim.figures import Figure as Reported
from hcc_sim.figures.medians import medians_of
from hcc_sim.report.evidence_words import ENDPOINTS, study_label
from hcc_sim.report.style import DARK, DESIGN_STYLES, FAINT, GREY, OTHER_DESIGN, STYLE

TICKS = (0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1, 1.5, 2, 3, 5, 10, 20)
PLAIN_ZERO = ("not stated", "randomisation", "treatment start")


@dataclass(frozen=True)
class Ratio:
    """A hazard ratio as it is drawn, with the medians of the same study, endpoint and document."""

    study: Study
    figure: Reported
    label: str
    treatments: str
    medians: tuple[Reported, Reported] | None

    @property
    def of_medians(self) -> float | None:
        """Comparator's median over the regimen's: what the hazard ratio would be if hazards were constant."""
        if self.medians is None:
            return None
        regimen, comparator = (float(median.value or math.nan) for median in self.medians)
        return comparator / regimen

    @property
    def ends(self) -> tuple[float | None, float | None]:
        """Both ends of the interval."""
        low, high = self.figure.interval or (None, None)
        return low, high


def ratios(evidence: Evidence) -> dict[str, list[Ratio]]:
    """The hazard ratios with a value that are printed as a ratio, by endpoint; randomised studies first, then by name.

    Overall and progression-free survival come first, the other endpoints by how many ratios they have.
    """
    found: dict[str, list[Ratio]] = {}
    for study, figure in evidence.figures():
        if figure.measure == "hazard_ratio" and figure.value is not None and figure.unit == "ratio":
            ratio = Ratio(study, figure, _label(study, figure), _treatments(figure), medians_of(study, figure))
            found.setdefault(figure.endpoint, []).append(ratio)
    order = sorted(found, key=lambda name: (*(name != first for first in ENDPOINTS), -len(found[name]), name))
    return {endpoint: sorted(found[endpoint], key=_place) for endpoint in order}


def _place(ratio: Ratio) -> tuple[int, str, str]:
    designs = list(DESIGN_STYLES)
    design = ratio.study.design
    return designs.index(design) if design in designs else len(designs), ratio.label.casefold(), ratio.figure.id


def _label(study: Study, figure: Reported) -> str:
    """The study; where it has several hazard ratios of one kind, also what sets this one apart."""

    def kind(other: Reported) -> tuple[Any, ...]:
        return other.measure, other.endpoint, other.regimen, other.comparator

    alike = [other for other in study.figures if kind(other) == kind(figure)]
    return study_label(study) + (f", {_distinction(figure)}" if len(alike) > 1 else "")


def _distinction(figure: Reported) -> str:
    """What sets a figure apart from others of its kind; where the record does not say, the end of its id does."""
    return figure.subset or figure.id.rpartition(".")[2].replace("_", " ")


def _treatments(figure: Reported) -> str:
    if figure.regimen == figure.comparator:  # two groups of patients on one treatment
        return f"{figure.regimen}: {_distinction(figure)}"
    return f"{figure.regimen} v {figure.comparator}"


def forest_table(evidence: Evidence) -> list[dict[str, Any]]:
    """One row for each hazard ratio drawn, in the order of the page; None where nothing is printed."""
    return [_forest_row(ratio) for section in ratios(evidence).values() for ratio in section]


def _forest_row(ratio: Ratio) -> dict[str, Any]:
    figure, (low, high) = ratio.figure, ratio.ends
    regimen, comparator = ratio.medians or (None, None)
    return {
        "endpoint": figure.endpoint,
        "study": ratio.study.study,
        "label": ratio.label,
        "design": ratio.study.design,
        "regimen": figure.regimen,
        "comparator": figure.comparator,
        "hazard_ratio": figure.value,
        "interval_low": low,
        "interval_high": high,
        "interval_level": figure.level,
        "corrected_value": figure.corrected_value,
        "status": figure.status,
        "median_regimen": regimen.value if regimen else None,
        "median_comparator": comparator.value if comparator else None,
        "median_unit": regimen.unit if regimen else None,
        "ratio_of_medians": ratio.of_medians,
        "document": figure.document,
        "figure": figure.id,
    }


# --- hazard ratios, as a page -----------------------------------------------------------------------------------------

PAGE_WIDTH = 8.27
STUDY, TREATMENTS, PLOT, PLOT_END, NUMBER, MEDIANS, NOTES = 0.3, 1.36, 3.62, 5.72, 5.86, 6.84, 7.22
"""Where the columns of the page begin, in inches from the left."""
LINE, SECTION, HEAD, FOOT = 0.152, 0.25, 0.92, 1.14
TEXT_SIZE = 7.0


def forest(evidence: Evidence) -> Figure:
    """All hazard ratios with their intervals, and beside each the ratio of medians, on one A4 page upright."""
    sections = ratios(evidence)
    lines = sum(_lines(ratio) for section in sections.values() for ratio in section)
    depth = lines * LINE + len(sections) * SECTION
    depth = max(depth, LINE)
    height = HEAD + depth + FOOT
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(PAGE_WIDTH, height))
        place = (PLOT / PAGE_WIDTH, FOOT / height, (PLOT_END - PLOT) / PAGE_WIDTH, depth / height)
        axes = figure.add_axes(place)
        page = _Page(axes, height)
        _ratio_axis(axes, [ratio for section in sections.values() for ratio in section], depth)
        page.head()
        y = 0.0
        for endpoint, section in sections.items():
            page.section(y, endpoint, len(section))
            y += SECTION
            for ratio in section:
                page.ratio(y, ratio)
                y += _lines(ratio) * LINE
        page.foot(_not_drawn(evidence))
    return figure


def _wrapped(ratio: Ratio) -> tuple[str, str]:
    """Label and treatments broken to the width of their columns."""
    treatments = ratio.treatments if len(ratio.treatments) <= 41 else ratio.treatments.replace(" v ", "\nv ")
    return textwrap.fill(ratio.label, 19), treatments


def _lines(ratio: Ratio) -> int:
    return 1 + max(text.count("\n") for text in _wrapped(ratio))


def _ratio_axis(axes: Axes, drawn: Sequence[Ratio], depth: float) -> None:
    numbers = [1.0]
    for ratio in drawn:
        numbers += [float(n) for n in (ratio.figure.value, *ratio.ends, ratio.of_medians) if n is not None]
    low, high = min(numbers) / 1.12, max(*numbers, 1.6) * 1.12
    axes.set_xscale("log")
    axes.set_xlim(low, high)
    axes.set_ylim(depth, 0)
    axes.xaxis.set_major_locator(FixedLocator([tick for tick in TICKS if low <= tick <= high]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_locator(NullLocator())
    axes.tick_params(axis="x", labelsize=TEXT_SIZE)
    axes.spines["left"].set_visible(False)
    axes.axvline(1, color="#555555", linewidth=0.9, zorder=1)


@dataclass(frozen=True)
class _Page:
    """The page round the axes; y is in inches below the top of the axes, x in inches from the left of the page."""

    axes: Axes
    height: float

    def text(self, x: float, y: float, text: str, **style: Any) -> None:
        across = blended_transform_factory(self.axes.figure.transFigure, self.axes.transData)
        full: dict[str, Any] = {"fontsize": TEXT_SIZE, "color": DARK, "va": "center"} | style
        self.axes.text(x / PAGE_WIDTH, y, text, transform=across, parse_math=False, **full)

    def band(self, y: float, depth: float, colour: str) -> None:
        across = blended_transform_factory(self.axes.figure.transFigure, self.axes.transData)
        left, right = (STUDY - 0.06) / PAGE_WIDTH, 1 - 0.2 / PAGE_WIDTH
        self.axes.fill_between(
            [left, right], y, y + depth, transform=across, color=colour, linewidth=0, clip_on=False, zorder=0
        )

    def head(self) -> None:
        top = -HEAD
        self.text(STUDY, top + 0.27, "Hazard ratios as reported", fontsize=12.5, fontweight="bold")
        self.text(STUDY, top + 0.48, "beside each the ratio of medians, which equals it where hazards are constant")
        style = {"fontweight": "bold", "va": "bottom", "linespacing": 1.1}
        columns = (
            (STUDY, "study"),
            (TREATMENTS, "first named v second named"),
            (NUMBER, "hazard ratio\n(95% interval)"),
        )
        for x, text in (*columns, (MEDIANS, "ratio of\nmedians")):
            self.text(x, -0.04, text, **style)

    def section(self, y: float, endpoint: str, ratios_in_it: int) -> None:
        self.text(STUDY, y + 0.6 * SECTION, f"{endpoint.capitalize()} ({ratios_in_it})", fontweight="bold", fontsize=8)

    def ratio(self, y: float, ratio: Ratio) -> None:
        depth, middle = _lines(ratio) * LINE, y + _lines(ratio) * LINE / 2
        excluded = ratio.figure.status == "exclude"
        colour = GREY if excluded else DARK
        if ratio.study.design != "randomised":
            self.band(y, depth, FAINT)
        label, treatments = _wrapped(ratio)
        of_medians = ratio.of_medians
        for x, text in (
            (STUDY, label),
            (TREATMENTS, treatments),
            (NUMBER, _number(ratio)),
            (MEDIANS, "" if of_medians is None else f"{of_medians:.2f}"),
            (NOTES, _notes(ratio.figure)),
        ):
            self.text(x, middle, text, color=colour, linespacing=1.05)
        self._mark(middle, ratio, GREY if excluded else DESIGN_STYLES.get(ratio.study.design, OTHER_DESIGN)[0])

    def _mark(self, y: float, ratio: Ratio, colour: str) -> None:
        """Square and interval, dashed unless of level 95; an open square without interval; the diamond of medians."""
        figure, ends = ratio.figure, ratio.ends
        value = float(figure.value or math.nan)
        if figure.interval is not None:
            low, high = (
                end if end is not None else limit for end, limit in zip(ends, self.axes.get_xlim(), strict=True)
            )
            dashes: Any = "solid" if figure.level == 95 else (0, (1.6, 1.1))
            self.axes.plot([low, high], [y, y], color=colour, linewidth=1.3, linestyle=dashes, zorder=3)
            for end in (end for end in ends if end is not None and figure.level != 95):
                self.axes.plot(end, y, "|", color=colour, markersize=6, markeredgewidth=1.2, zorder=3)
        inside = colour if figure.interval is not None else "white"
        self.axes.plot(value, y, "s", color=colour, markerfacecolor=inside, markersize=4.6, zorder=4)
        if (of_medians := ratio.of_medians) is not None:
            edge = GREY if figure.status == "exclude" else "black"
            self.axes.plot(
                of_medians, y, "D", color=edge, markerfacecolor="none", markersize=4.4, markeredgewidth=0.9, zorder=5
            )

    def foot(self, not_drawn: Sequence[str]) -> None:
        bottom = self.axes.get_ylim()[0]
        one = PLOT + (PLOT_END - PLOT) * _share_of_axis(self.axes, 1)
        self.text(one - 0.08, bottom + 0.33, "← favours first named", ha="right")
        self.text(one + 0.08, bottom + 0.33, "favours second named →", ha="left")
        self.axes.figure.legend(
            handles=_forest_key(), loc="upper left", ncols=4, frameon=False, fontsize=TEXT_SIZE, handlelength=2.2,
            columnspacing=1.6, labelspacing=0.4, borderpad=0, borderaxespad=0,
            bbox_to_anchor=(STUDY / PAGE_WIDTH, (FOOT - 0.46) / self.height),
        )  # fmt: skip
        notes = ["† the value that our record would put in its place, with its reason there."]
        if not_drawn:
            notes += textwrap.wrap(f"Not drawn, since not printed as a ratio: {'; '.join(not_drawn)}.", 125)
        self.text(STUDY, bottom + 0.82, "\n".join(notes), color="#555555", va="top", linespacing=1.25)


def _share_of_axis(axes: Axes, value: float) -> float:
    low, high = axes.get_xlim()
    return math.log(value / low) / math.log(high / low)


def _number(ratio: Ratio) -> str:
    value, ends = ratio.figure.value, ratio.ends
    if ratio.figure.interval is None:
        return f"{_printed(value)} (not given)"
    low, high = ("?" if end is None else _printed(end) for end in ends)
    return f"{_printed(value)} ({low}–{high})"


def _printed(number: float | None) -> str:
    """Two decimals; more where the number has more, since a figure is never rounded."""
    return "" if number is None else max(f"{number:.2f}", f"{number:g}", key=len)


def _notes(figure: Reported) -> str:
    """What a reader must know of one line: another level, another time zero, a correction, the exclusion."""
    notes = []
    if figure.interval is not None and figure.level != 95:
        notes.append(f"{figure.level}% interval" if figure.level else "level not said")
    if figure.time_zero not in PLAIN_ZERO and figure.time_zero not in figure.endpoint:
        notes.append(f"from {figure.time_zero}")
    if figure.status == "exclude":
        notes.append("excluded")
    if figure.corrected_value is not None:
        notes.append(f"† {figure.corrected_value:g}")
    return " ".join(notes)


def _not_drawn(evidence: Evidence) -> list[str]:
    """Hazard ratios printed in another unit, which are not converted for the page."""
    return [
        f"{study_label(study)}, {_treatments(figure)}, {figure.endpoint}, {figure.value:g} {figure.unit}"
        for study, figure in evidence.figures()
        if figure.measure == "hazard_ratio" and figure.value is not None and figure.unit != "ratio"
    ]


def _forest_key() -> list[Line2D]:
    square: dict[str, Any] = {"marker": "s", "markersize": 4.6, "linewidth": 1.3}
    designs = [Line2D([], [], color=colour, label=design, **square) for design, (colour, _) in DESIGN_STYLES.items()]
    return [
        *designs,
        Line2D([], [], color=GREY, label="excluded", **square),
        Line2D([], [], color=DARK, label="no interval given", **square | {"linewidth": 0, "markerfacecolor": "white"}),
        Line2D([], [], color=DARK, label="90% interval", **square | {"linestyle": (0, (1.6, 1.1))}),
        Line2D([], [], color="black", label="ratio of medians", marker="D", markersize=4.4, markerfacecolor="none",
               markeredgewidth=0.9, linewidth=0),
        Line2D([], [], color="#DDD8CC", label="shaded: not randomised", linewidth=6),
    ]  # fmt: skip
