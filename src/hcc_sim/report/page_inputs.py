"""What a result rests on, on the page: assumptions that may turn it, every parameter, the calibration."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from hcc_sim.analyses.turning import SURVIVAL
from hcc_sim.economics.hcc import PLACEHOLDERS
from hcc_sim.fit_in_use import PRIOR_ONLY
from hcc_sim.report.listing import origin_text
from hcc_sim.report.page_parts import Picture, Pictures, Table, Text
from hcc_sim.units import UNITS, is_money

if TYPE_CHECKING:
    from hcc_sim.analyses.compare import Comparison
    from hcc_sim.analyses.turning import Turning
    from hcc_sim.parameters import Parameter


def of_assumptions(comparison: Comparison, pictures: Pictures) -> list[Text | Table | Picture]:
    """By how much each assumption moves the answer, and where it turns."""
    drawn = pictures.of(
        ("hangs-on-survival", "Survival difference across the interval of each assumption"),
        ("hangs-on-value", "Net benefit difference across the interval of each assumption"),
    )
    parts: list[Text | Table | Picture] = [*drawn]
    for turnings in (comparison.turnings, comparison.turnings_of_value):
        if moving := [turning for turning in turnings if turning.span > 0.0]:
            parts.append(_turned(moving))
    return parts or [Text("There is no difference between strategies that an assumption could turn.")]


def _turned(turnings: Sequence[Turning]) -> Table:
    """One contrast across the interval of each assumption that moves it."""
    first = turnings[0]
    places = 1 if first.outcome == SURVIVAL else 0
    rows = [
        [
            turning.parameter.name,
            turning.parameter.kind,
            *(_number(turning.parameter, value) for value in turning.values),
            *(f"{difference:+,.{places}f}" for difference in turning.differences),
            "no" if turning.turns_at is None else _number(turning.parameter, turning.turns_at),
        ]
        for turning in turnings
    ]
    columns = ["assumption", "kind", "low", "base", "high", "difference at low", "at base", "at high", "turns at"]
    caption = (
        f"{first.outcome.capitalize()}, {first.unit}: '{first.strategy}' minus '{first.versus}' across the central 95% "
        "of each assumption that moves it, what was fitted being taken given it"
    )
    return Table(caption, columns, rows, left=2)


def of_parameters(comparison: Comparison) -> Iterator[Text | Table]:
    """Assumptions first, those without any support at their head; then what is calibrated, reported, decided."""
    sets = [strategy.parameters for strategy in comparison.scenario.strategies]
    decided = {name for name in sets[0] if any(parameters[name].decision for parameters in sets)}
    of_kind: dict[str, list[Parameter]] = {"assumed": [], "calibrated": [], "reported": [], "decided": []}
    for name, p in sets[0].items():
        of_kind["decided" if name in decided else p.kind].append(p)
    of_kind["assumed"].sort(key=lambda p: PLACEHOLDERS.index(p.name) if p.name in PLACEHOLDERS else len(PLACEHOLDERS))
    yield Text(
        "Assumed: nobody has reported it, or it stays unsure after the fit; each has its reason. Calibrated: fitted to "
        "the figures of all studies at once. Reported: as printed. Intervals are central 95%."
    )
    for kind, members in of_kind.items():
        if not members:
            continue
        rows = [
            [p.name, _values(p.name, sets), _interval(p), _family(p), p.meaning, origin_text(p) + _set_by(p)]
            for p in members
        ]
        yield Table(f"{kind.capitalize()}: {len(members)}", ["", "value", "95%", "distribution", "meaning", "origin"],
                    rows, left=6)  # fmt: skip


def _values(name: str, sets: Sequence[Mapping[str, Parameter]]) -> str:
    """The value; where strategies differ, all of them in their order."""
    return ", ".join(dict.fromkeys(_number(parameters[name], parameters[name].value) for parameters in sets))


def _number(parameter: Parameter, value: float) -> str:
    if is_money(parameter.unit):
        return f"{float(f'{value:.3g}'):,.10g} {parameter.unit}"
    text = UNITS[parameter.unit].format(float(f"{value:.3g}"))
    plain = parameter.unit in ("months", "number", "probability", "utility", "count", "positive number")
    return text if plain else f"{text} {parameter.unit}"


def _interval(p: Parameter) -> str:
    if p.distribution is None or p.distribution.family == "fixed":
        return "held"
    if is_money(p.unit):
        return " to ".join(f"{float(f'{end:.3g}'):,.10g}" for end in (p.distribution.low, p.distribution.high))
    unit = UNITS[p.unit]
    return " to ".join(unit.format(float(f"{end:.3g}")) for end in (p.distribution.low, p.distribution.high))


def _family(p: Parameter) -> str:
    return "held" if p.distribution is None else p.distribution.family


def _set_by(p: Parameter) -> str:
    return "" if p.set_by == "default" else f" Set by: {p.set_by}."


def of_calibration(comparison: Comparison) -> Iterator[Text | Table]:
    """How well the fit agrees with what was reported, and what it did not learn."""
    fit = comparison.scenario.fit
    assert fit is not None
    summary = fit.summary
    yield Text(
        f"All study arms were simulated with this pathway and fitted at once to {len(summary['figures'])} reported "
        f"figures, which spend {summary['effective_parameters']:.0f} effective parameters; {summary['draws']} joint "
        "draws say what is unsure. The distance of the reported figures from the draws, beside what it would be were "
        "the model right (the number of figures), and the share of replicates that lie farther:"
    )
    rows = [
        [one["kind"], f"{one['figures']}", f"{one['distance']:.1f}", f"{one['p']:.3f}"]
        for one in summary["predictive_checks"]
    ]
    yield Table("Posterior predictive checks", ["figures", "how many", "distance", "p"], rows)
    verdicts = Counter(one["verdict"] for one in summary["ledger"] if one["parameter"])
    told = ", ".join(f"{count} {verdict}" for verdict, count in sorted(verdicts.items()))
    yield Text(f"What was learned of each quantity: {told}.")
    not_learned = sorted(
        {one["name"] for one in summary["ledger"] if one["verdict"] == PRIOR_ONLY and one["parameter"]}
    )
    yield Text(f"No figure tells of: {', '.join(not_learned)}.")
    if comparison.scenario.fit_not_renewed:
        yield Text(f"The fit is not renewed for: {', '.join(comparison.scenario.fit_not_renewed)}.", strong=True)
    yield Text("Every figure beside its simulation: docs/calibration.md, made by `hcc-sim reproduce`.")
