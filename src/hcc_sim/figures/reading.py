"""Read all figures of a calibration folder and check what each must have; every fault at once, with file and line."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from hcc_sim.errors import InputError, Problem, Problems, nearest
from hcc_sim.figures.schema import UNITS_OF, Decision, Figure, Study, Term
from hcc_sim.strict_yaml import Document, Keys, read_yaml
from hcc_sim.units import shown

FIGURES = "figures"
VOCABULARY = "vocabulary.yaml"
P_VALUE = re.compile(r"[=<>≤≥] (0?\.[0-9]+|1(\.0+)?)")


@dataclass(frozen=True)
class Evidence:
    """All studies of a calibration folder, by key, and the vocabulary of regimens."""

    studies: Mapping[str, Study]
    vocabulary: Mapping[str, Term]

    def figures(self) -> Iterator[tuple[Study, Figure]]:
        """Every figure with its study."""
        return ((study, figure) for study in self.studies.values() for figure in study.figures)


def load_evidence(folder: Path, documents: Mapping[str, object]) -> Evidence:
    """The figures under a calibration folder.

    Args:
        folder: the calibration folder, which holds `figures/*.yaml` and `vocabulary.yaml`.
        documents: the keys that a figure's document may be.

    Raises:
        InputError: every problem of all files, each with file, line and key.
    """
    problems = Problems()
    vocabulary = _vocabulary(folder / VOCABULARY, problems)
    studies: dict[str, Study] = {}
    documents_of: dict[str, Document] = {}
    first: dict[str, str] = {}  # id -> where it was first
    paths = sorted((folder / FIGURES).glob("*.yaml"))
    if not paths:
        problems.add(Problem(str(folder / FIGURES), None, "", "holds no figures: no such folder, or no *.yaml in it"))
    for path in paths:
        document = _document(path, problems)
        study = _checked(Study, document, (), problems) if document is not None else None
        if document is None or study is None:
            continue
        if study.study != path.stem:
            problems.add(
                document.problem(("study",), f"given {shown(study.study)}; accepted: the file's name, {path.stem}")
            )
        for keys, message in _faults(study, vocabulary, documents):
            problems.add(document.problem(keys, message))
        for number, figure in enumerate(study.figures):
            place = f"{document.file}:{document.line(('figures', number, 'id'))}"
            if (before := first.setdefault(figure.id, place)) != place:
                problems.add(
                    document.problem(("figures", number, "id"), f"{shown(figure.id)} stands at {before} already")
                )
        studies[study.study] = study
        documents_of[study.study] = document
    for name, study in studies.items():
        for keys, message in _faults_of_references(study, first):
            problems.add(documents_of[name].problem(keys, message))
    problems.raise_if_any()
    return Evidence(studies, vocabulary)


def _document(path: Path, problems: Problems) -> Document | None:
    try:
        return read_yaml(path)
    except InputError as error:
        for problem in error.problems:
            problems.add(problem)
        return None


def _vocabulary(path: Path, problems: Problems) -> dict[str, Term]:
    """The regimens by key.

    Raises:
        InputError: it cannot be read, without which every regimen of every figure would be unknown.
    """
    document = _document(path, problems)
    if document is not None and not isinstance(document.data, dict):
        problems.add(document.problem((), "accepted: regimens by key"))
    if document is None or not isinstance(document.data, dict):
        problems.raise_if_any()
        return {}
    terms = {key: _checked(Term, document, (key,), problems) for key in document.data}
    owners: dict[str, str] = {}
    for key, term in terms.items():
        for printed in term.printed if term is not None else ():
            if (owner := owners.setdefault(printed.casefold(), key)) != key:
                problems.add(document.problem((key, "printed"), f"{shown(printed)} means {shown(owner)} already"))
    return {key: term for key, term in terms.items() if term is not None}


def _checked(model: type[Any], document: Document, keys: Keys, problems: Problems) -> Any:
    """The part of a document at these keys as a record; None and problems if it is none."""
    data = document.data
    for key in keys:
        data = data[key]
    try:
        return model.model_validate(data)
    except ValidationError as error:
        for fault in error.errors(include_url=False, include_context=True):
            place = (*keys, *_existing(data, fault["loc"]))
            problems.add(document.problem(place, _told(fault, model)))
        return None


def _existing(data: Any, place: tuple[Any, ...]) -> Keys:
    """The part of pydantic's place that is keys of the file: it also names the members of a union."""
    found: list[str | int] = []
    for key in place:
        inside = isinstance(data, dict) or (isinstance(data, list) and isinstance(key, int) and key < len(data))
        if not inside or (isinstance(data, dict) and key not in data and found and key != place[-1]):
            break
        found.append(key)
        data = data[key] if not isinstance(data, dict) or key in data else None
    return tuple(found)


def _told(fault: Any, model: type[BaseModel]) -> str:
    """A fault for the person who wrote the file."""
    kind, context = fault["type"], fault.get("ctx", {})
    if kind == "missing":
        return "missing"
    if kind == "extra_forbidden":
        names = [name for record in (model, Figure, Decision) for name in record.model_fields]
        return " ".join(
            filter(None, (f"unknown key {shown(fault['loc'][-1])}.", nearest(str(fault["loc"][-1]), names)))
        )
    if kind == "literal_error":
        given = fault["input"]
        options = context["expected"].replace(" or ", ", ").replace("'", "").split(", ")
        hint = nearest(given, options) if isinstance(given, str) else ""
        return f"given {shown(given)}. {hint} Accepted: {', '.join(options)}".replace("  ", " ")
    return f"given {shown(fault['input'])}; {fault['msg'][0].lower()}{fault['msg'][1:]}"


def _faults(
    study: Study, vocabulary: Mapping[str, Term], documents: Mapping[str, object]
) -> Iterator[tuple[Keys, str]]:
    """What is wrong with a study whose shape is right."""
    for number, arm in enumerate(study.arms):
        if arm.regimen not in vocabulary:
            yield ("arms", number, "regimen"), _no_regimen(arm.regimen, vocabulary)
    for document in study.references:
        if document not in documents:
            yield ("references", document), _no_document(document, documents)
    for document, order in study.headings.items():
        if document not in documents:
            yield ("headings", document), _no_document(document, documents)
        for regimen in order:
            if regimen not in vocabulary:
                yield ("headings", document), _no_regimen(regimen, vocabulary)
    for number, figure in enumerate(study.figures):
        for key, message in _faults_of(figure, vocabulary, documents):
            yield ("figures", number, key), message
        if figure.place is not None and figure.regimen not in study.headings.get(figure.document, ()):
            named = f"headings of {shown(study.study)} name no {shown(figure.regimen)} for {shown(figure.document)}"
            yield ("figures", number, "place"), f"{named}; add it there, or leave place out"
        if not figure.id.startswith(f"{study.study}."):
            yield ("figures", number, "id"), f"given {shown(figure.id)}; accepted: '{study.study}.' and more"


def _faults_of_references(study: Study, known: Mapping[str, str]) -> Iterator[tuple[Keys, str]]:
    """Ids that a study names and nobody has."""
    for number, figure in enumerate(study.figures):
        for position, name in enumerate(figure.members):
            if name not in known:
                yield ("figures", number, "members", position), _no_figure(name, known)
        if figure.members and figure.measure != "range":
            yield ("figures", number, "members"), f"only a range has members, and this is a {figure.measure}"
    for number, decision in enumerate(study.decisions):
        for position, name in enumerate(decision.figures):
            if name not in known:
                yield ("decisions", number, "figures", position), _no_figure(name, known)


def _faults_of(
    figure: Figure, vocabulary: Mapping[str, Term], documents: Mapping[str, object]
) -> Iterator[tuple[str, str]]:
    for key in ("regimen", "comparator"):
        regimen = getattr(figure, key)
        if regimen is not None and regimen not in vocabulary:
            yield key, _no_regimen(regimen, vocabulary)
    if figure.document not in documents:
        yield "document", _no_document(figure.document, documents)
    if figure.unit is None and figure.measure != "direction":
        yield "unit", "missing, which every measure but a direction needs"
    units = UNITS_OF.get(figure.measure) if figure.unit is not None else None
    if units is not None and figure.unit not in units:
        yield "unit", f"given {shown(figure.unit)}; a {figure.measure} is told in {' or '.join(units)}"
    yield from _faults_of_numbers(figure)
    yield from _faults_of_measure(figure)


def _faults_of_numbers(figure: Figure) -> Iterator[tuple[str, str]]:
    numbers = [figure.value, figure.corrected_value, figure.time_months, *(figure.interval or ())]
    if any(number is not None and not math.isfinite(number) for number in numbers):
        yield "value", "every number must be finite"
    if figure.interval is not None:
        low, high = figure.interval
        if low is None and high is None:
            yield "interval", "one end at least must be a number"
        if low is not None and high is not None and low > high:
            yield "interval", f"given {low} to {high}; the lower end comes first"
        outside = (low is not None and figure.value is not None and figure.value < low) or (
            high is not None and figure.value is not None and figure.value > high
        )
        if outside and not figure.flags:
            yield "value", f"{figure.value} lies outside its own interval {low} to {high}; if it is printed so, flag it"
    if figure.unit == "%" and figure.value is not None and not 0 <= figure.value <= 100:
        yield "value", f"given {figure.value} %; accepted: 0 to 100"
    if figure.events is not None and figure.patients is not None and figure.events > figure.patients:
        yield "events", f"{figure.events} of {figure.patients} patients"
    if figure.corrected_value is not None and figure.correction is None:
        yield "correction", "missing: corrected_value needs the argument for it"
    if figure.p is not None and not P_VALUE.fullmatch(figure.p):
        accepted = "= < > ≤ or ≥, a blank, and a number up to 1; else say it in a flag"
        yield "p", f"given {shown(figure.p)}; accepted: {accepted}"
    if figure.level is not None and figure.interval is None:
        yield "level", "there is no interval that it could be the level of"


def _faults_of_measure(figure: Figure) -> Iterator[tuple[str, str]]:
    measure = figure.measure
    needs_value = measure in ("median", "hazard_ratio", "survival_at", "proportion", "count", "duration", "point")
    if needs_value and figure.value is None and not figure.flags:
        yield "value", f"missing, which a {measure} needs; if none is printed, say so in a flag"
    if measure in ("range", "bound") and figure.interval is None:
        yield "interval", f"missing, which a {measure} needs; a bound has one end null"
    if measure == "range" and figure.interval is not None and None in figure.interval:
        yield "interval", "a range has two ends; with one it is a bound"
    if measure == "hazard_ratio":
        if figure.comparator is None:
            yield "comparator", "missing, which a hazard_ratio needs"
        if any(number is not None and number <= 0 for number in (figure.value, *(figure.interval or ()))):
            yield "value", "a hazard ratio lies above 0"
    if measure == "survival_at" and figure.time_months is None:
        yield "time_months", "missing, which survival_at needs"
    if (measure == "direction") != (figure.says is not None):
        yield "says", "a direction says higher, lower, no difference or association, and nothing else does"


def _no_regimen(regimen: str, vocabulary: Mapping[str, Term]) -> str:
    printed = {name: key for key, term in vocabulary.items() for name in term.printed}
    hint = f"It is printed for '{printed[regimen]}'." if regimen in printed else nearest(regimen, vocabulary)
    return " ".join(filter(None, (f"unknown regimen {shown(regimen)}.", hint, f"See {VOCABULARY}")))


def _no_figure(name: str, known: Mapping[str, str]) -> str:
    return " ".join(filter(None, (f"unknown figure {shown(name)}.", nearest(name, known))))


def _no_document(document: str, documents: Mapping[str, object]) -> str:
    return " ".join(
        filter(None, (f"unknown document {shown(document)}.", nearest(document, documents), "See sources.yaml"))
    )
