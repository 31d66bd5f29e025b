"""The shape of a scenario file: what may stand where, in words and as JSON Schema."""

from collections.abc import Mapping
from itertools import pairwise
from types import UnionType
from typing import Annotated, Any, get_args, get_origin

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, FiniteFloat, WithJsonSchema
from pydantic.fields import FieldInfo

from hcc_sim.economics.items import CATEGORIES
from hcc_sim.errors import nearest
from hcc_sim.layers import AROUND_SURGERY
from hcc_sim.parameters import Calibration
from hcc_sim.strict_yaml import Keys
from hcc_sim.subgroups import values_at_start
from hcc_sim.units import DURATION_PATTERN, UNITS, parse_duration, shown

MOST_PATIENTS = 10**12
HIGHEST_SEED = 2**64 - 1
LONGEST_HORIZON_MONTHS = 1200.0
MOST_SUBGROUPS = 20
"""Each is tallied by day, in some 13 MB for each strategy at a horizon of 30 years."""

_HORIZON_TEXT = "a duration above 0 and at most 100 years, such as '30 years'"
SIZE_TEXT = "a whole number from 1 to 1,000,000,000,000"
SEED_TEXT = "a whole number from 0 to 18,446,744,073,709,551,615"
_CUTS_TEXT = "a list of finite numbers that rise, at least one, such as [60]"
NAME_TEXT = "a name, one line of text that is not empty and neither begins nor ends with a blank"
_NAME_PATTERN = r"^\S(.*\S)?$"


def _name(value: str) -> str:
    if not value or value != value.strip() or not value.isprintable():
        raise ValueError(f"given {shown(value)}")
    return value


def _horizon(value: object) -> float:
    months = parse_duration(value)
    if not 0 < months <= LONGEST_HORIZON_MONTHS:
        raise ValueError(f"given {shown(value)}")
    return months


def _cuts(value: list[float]) -> list[float]:
    if any(not low < high for low, high in pairwise(value)):
        raise ValueError(f"given {', '.join(map(shown, value))}, which do not rise")
    return value


Text = Annotated[str, Field(strict=True, min_length=1, pattern=r"\S")]
Name = Annotated[str, AfterValidator(_name), WithJsonSchema({"type": "string", "pattern": _NAME_PATTERN})]
Horizon = Annotated[
    float,
    BeforeValidator(_horizon),
    WithJsonSchema(
        {"type": "string", "pattern": DURATION_PATTERN.replace("never|", ""), "examples": ["30 years", "120 months"]}
    ),
]
Cuts = Annotated[list[FiniteFloat], Field(min_length=1), AfterValidator(_cuts)]
# values of parameters are checked against the parameter's unit, which the shape of the file does not know
ParameterValue = Annotated[Any, WithJsonSchema({"type": ["number", "string"]})]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class Population(_Part):
    """Who is simulated."""

    size: int = Field(default=100_000, ge=1, le=MOST_PATIENTS, description=f"patients per strategy, {SIZE_TEXT}")
    preset: Text = Field(default="", description="the name of a population of populations.yaml")
    start: Text = Field(default="", description="the state in which patients begin, by default the pathway's first")
    file: Text = Field(
        default="",
        description="a CSV or Parquet file with a row for each patient, a path relative to this file; `size` patients "
        "take its rows in turn",
    )


class Run(_Part):
    """How the simulation is run."""

    horizon: Horizon = Field(default=360.0, description=f"time simulated for each patient, {_HORIZON_TEXT}")
    seed: int = Field(default=1, ge=0, le=HIGHEST_SEED, description=f"the seed of all luck, {SEED_TEXT}")


class Discount(_Part):
    """What the future counts."""

    costs: float = Field(ge=0.0, le=1.0, description="annual discount rate of costs, from 0 to 1, such as 0.05")
    effects: float = Field(ge=0.0, le=1.0, description="annual discount rate of effects, from 0 to 1, such as 0.05")


class OwnItem(_Part):
    """A resource that the analyst adds, or puts in the place of one of the same name."""

    category: Text = Field(description=f"the category of its cost, one of {', '.join(CATEGORIES)}")
    price: ParameterValue = Field(description="what a unit costs, money with currency and price year")
    per: Text = Field(description="month, cycle or event: what is counted")
    amount: float = Field(default=1.0, ge=0.0, description="units each time, a number of 0 or more")
    states: list[Text] = Field(default=[], description="states in which it is used, a list; empty for anywhere")
    shown: dict[str, bool] = Field(
        default={}, description="what must be true of the patient, a mapping of attributes to true or false"
    )
    every: Text = Field(default="", description="from one cycle to the next, a duration such as '3 weeks'")
    most: int | None = Field(default=None, ge=0, description="how many of a patient's count, a whole number")
    entering: list[Text] = Field(default=[], description="states into which to come is the event, a list")
    ended_by: list[Text] = Field(default=[], description="exits which are the event, a list")


class Economics(_Part):
    """On which terms costs and effects are told."""

    currency: str = Field(
        pattern=r"^[A-Z]{3}$", description="the currency of all that is told, three capital letters such as USD"
    )
    price_year: int = Field(ge=1900, le=2999, description="the price year of all that is told, such as 2021")
    discount: Discount = Field(description="annual discount rates, a mapping with costs and effects")
    thresholds: list[ParameterValue] = Field(
        min_length=1,
        description="what a QALY may cost, a list of numbers above 0 in currency and price year, lowest first",
    )
    perspective: Text = Field(default="", description="whose costs are counted, text")
    conversions: dict[str, float] = Field(
        default={},
        description="what one unit of other money is worth in currency and price year, a mapping such as "
        "'CNY 2022: 0.149' (price index and exchange rate in one number)",
    )
    items: dict[Name, OwnItem] = Field(
        default={}, description="resources of your own, a mapping of names to category, price and what is counted"
    )


class ScenarioFile(_Part):
    """A scenario of hcc-sim: population, regimen, strategies, what to run."""

    title: Text = Field(description="one line that names the scenario, text")
    question: Text = Field(default="", description="the question that the scenario answers, text")
    description: Text = Field(default="", description="what else a reader should know, text")
    extends: Text = Field(default="", description="the file this one builds on, a path relative to this file")
    without: list[Name] = Field(default=[], description="inherited strategies to leave out, a list of names")
    population: Population = Field(default_factory=Population, description="who is simulated, a mapping")
    regimen: Text = Field(
        default="",
        description="the conversion treatment: a regimen of regimens.yaml, of the documents, or a study's arm",
    )
    adjuvant: Text = Field(
        default="", description="the adjuvant therapy of all who are operated, one of the fit such as 'adjuvant ici'"
    )
    neoadjuvant: Text = Field(
        default="",
        description="the therapy before surgery of all who are resectable from the start, one of the fit such as "
        "'neoadjuvant 3dcrt'",
    )
    parameters: dict[str, ParameterValue] = Field(
        default={}, description="values for all strategies, a mapping of parameter names to values"
    )
    strategies: dict[Name, dict[str, ParameterValue]] = Field(
        default={}, description="what is compared, a mapping of names to parameter values (and, if its own, a regimen)"
    )
    turn: list[Text] = Field(
        default=[],
        description="the parameters across whose uncertainty the answer is told, a list of names "
        "(by default those on which timing hangs)",
    )
    subgroups: dict[str, Cuts] = Field(
        default={},
        description="attributes at the start by whose cut points outcomes are told apart as well, each with "
        f"{_CUTS_TEXT}",
    )
    economics: Economics | None = Field(
        default=None, description="on which terms costs and QALYs are told, a mapping; without it they are not"
    )
    run: Run = Field(default_factory=Run, description="how it is run, a mapping")


def scenario_schema(calibration: Calibration | None = None) -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of a scenario file, for editors.

    With a calibration it also knows every parameter with its unit, and the names of regimens and presets.
    """
    schema = ScenarioFile.model_json_schema()
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "hcc-sim scenario"}
    del schema["required"]  # what a file leaves out may come from the file it extends
    for part in (schema, *schema["$defs"].values()):
        for entry in part["properties"].values():
            if entry.get("default", "none") in ("", [], {}, None):
                del entry["default"]
    schema["$defs"]["Run"]["properties"]["horizon"]["default"] = "30 years"
    economics = schema["properties"]["economics"]
    schema["properties"]["economics"] = {"$ref": "#/$defs/Economics", "description": economics["description"]}
    most = schema["$defs"]["OwnItem"]["properties"]["most"]
    most |= next(one for one in most.pop("anyOf") if one["type"] == "integer")
    schema["$defs"]["OwnItem"]["properties"]["category"]["enum"] = list(CATEGORIES)
    schema["$defs"]["OwnItem"]["properties"]["per"]["enum"] = ["month", "cycle", "event"]
    values: dict[str, Any] = {"type": "object", "additionalProperties": {"type": ["number", "string"]}}
    regimen: dict[str, Any] = {"type": "string", "description": "the strategy's own regimen, instead of the scenario's"}
    if calibration is not None:
        values["additionalProperties"] = False
        values["properties"] = {
            name: {**UNITS[p.unit].schema, "title": f"{name} ({p.unit})", "description": f"{p.meaning} [{p.unit}]"}
            for name, p in calibration.parameters.items()
        }
        for entry in (regimen, schema["properties"]["regimen"]):
            entry["examples"] = list(calibration.regimens)  # regimens of the documents and arms of studies go as well
        schema["$defs"]["Population"]["properties"]["preset"]["enum"] = list(calibration.populations)
    schema["properties"]["parameters"] |= values
    own = {"regimen": regimen} | {
        kind: {"type": "string", "description": f"the strategy's own {kind} therapy"} for kind in AROUND_SURGERY
    }
    strategy = {**values, "title": "Strategy", "properties": {**values.get("properties", {}), **own}}
    schema["properties"]["strategies"]["additionalProperties"] = strategy
    schema["properties"]["strategies"]["propertyNames"] = {"pattern": _NAME_PATTERN}
    schema["properties"]["subgroups"]["propertyNames"] = {"enum": list(values_at_start())}
    del schema["properties"]["strategies"]["patternProperties"]  # what it matches, additionalProperties would not see
    return schema


def fields(keys: Keys) -> Mapping[str, FieldInfo]:
    """The fields of the part of the file at these keys, none if it has no fixed ones."""
    part: Any = ScenarioFile
    for key in keys:
        if not (isinstance(part, type) and issubclass(part, BaseModel)):
            part = (*get_args(part), None)[1] if get_origin(part) is dict else None  # a mapping of names to parts
            continue
        part = part.model_fields[str(key)].annotation if key in part.model_fields else None
        if get_origin(part) is UnionType:  # a part that may be left out
            part = get_args(part)[0]
    return part.model_fields if isinstance(part, type) and issubclass(part, BaseModel) else {}


def describe(keys: Keys) -> str:
    """What is accepted at these keys, in the words of the schema."""
    for end in range(len(keys), 0, -1):
        field = fields(keys[: end - 1]).get(str(keys[end - 1]))
        if field is not None:
            return str(field.description)
    return "a mapping"


def unknown_key(keys: Keys) -> str:
    """What to tell somebody who wrote a key that nothing is known of."""
    names = list(fields(keys[:-1]))
    name = str(keys[-1])
    return " ".join(f"unknown key {shown(name)}. {nearest(name, names)} Accepted: {', '.join(names)}".split())
