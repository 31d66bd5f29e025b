"""Every mistake of tests/invalid gives the message and the lines that the file itself announces."""

import re
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from hcc_sim.errors import InputError
from hcc_sim.parameters import Calibration, load_calibration
from hcc_sim.scenario import Scenario, load_scenario

HERE = Path(__file__).parent
MISTAKES = sorted((HERE / "invalid").glob("*.yaml"))


@pytest.fixture(scope="module")
def calibration() -> Calibration:
    return load_calibration(HERE / "data" / "calibration")


def refusal(path: Path, calibration: Calibration, **options) -> InputError:
    with pytest.raises(InputError) as caught:
        load_scenario(path, calibration=calibration, **options)
    return caught.value


@pytest.mark.parametrize("path", MISTAKES, ids=lambda path: path.stem)
def test_mistake(path: Path, calibration: Calibration):
    announced = re.findall(r"^# (expect|line): (.*)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    expected = [text for kind, text in announced if kind == "expect"]
    lines = {int(text) for kind, text in announced if kind == "line"}
    error = refusal(path, calibration)
    assert expected, "announces nothing"
    for text in expected:
        assert text in str(error)
    if lines:
        assert {problem.line for problem in error.problems} == lines
    order = [(problem.file, problem.line or 0) for problem in error.problems]
    assert order == sorted(order), "not from top to bottom"
    assert all(problem.file == str(path) for problem in error.problems) or "(extends: " in str(error)
    assert "Traceback" not in str(error)
    assert all("\n" not in str(problem) for problem in error.problems)


def test_every_mistake_is_refused_for_itself_only():
    """The frame that most of the files share is accepted, so each is refused for its own mistake."""
    frame = HERE / "invalid" / "frame.txt"
    assert load_scenario(frame, calibration=HERE / "data" / "calibration").strategies[0].name == "watch"


@pytest.mark.parametrize(
    ("content", "expected", "line"),
    [
        (b"title: invented\nquestion: \xff\xfe\n", "is not UTF-8; save it with the encoding UTF-8", 2),
        ("title: ümlaut\n".encode("utf-16"), "is not UTF-8", 1),
        (b"# \n" * 400_000, "is larger than 1 MB", None),
        (b"[" * 1_000_000, "is nested more than 40 levels deep", 1),
        (b"{a: " * 250_000, "is nested more than 40 levels deep", 1),
        (b"- a\n" * 250_000, "holds more than 100,000 values", 100_000),
        (b"title: 1\n" * 100_000, "100 problems found, the rest was not looked at", None),
        (b"", "is empty", None),
        (b"\n# only a comment\n---\n", "is empty", None),
    ],
)
def test_bytes(tmp_path: Path, calibration: Calibration, content: bytes, expected: str, line: int | None):
    path = tmp_path / "mine.yaml"
    path.write_bytes(content)
    problem = refusal(path, calibration).problems[-1]
    assert expected in problem.message
    assert problem.line == line
    assert problem.file == str(path)


def test_no_such_file_and_folder(tmp_path: Path, calibration: Calibration):
    assert "is a folder; name a file" in str(refusal(tmp_path, calibration))
    assert "does not exist" in str(refusal(tmp_path / "none.yaml", calibration))
    assert "cannot be read" in str(refusal(tmp_path / ("x" * 5000), calibration))
    assert "does not exist" in str(refusal(Path("a\0b"), calibration))


def test_extends_to_a_broken_file_names_both(tmp_path: Path, calibration: Calibration):
    (tmp_path / "base.yaml").write_text("title: x\nrun: {seed: 1, seed: 2}\n")
    path = tmp_path / "mine.yaml"
    path.write_text("title: y\nextends: base.yaml\nregimen: none such\n")
    broken, regimen = refusal(path, calibration).problems
    assert (broken.file, broken.line) == (str(tmp_path / "base.yaml"), 2)
    assert f"(extends: {path} -> {tmp_path / 'base.yaml'})" in broken.message
    assert (regimen.file, regimen.line) == (str(path), 3)


def test_what_a_missing_file_might_have_held_is_not_missed(tmp_path: Path, calibration: Calibration):
    path = tmp_path / "mine.yaml"
    path.write_text("extends: none.yaml\nwithout: [a]\n")
    (problem,) = refusal(path, calibration).problems
    assert (problem.line, problem.key) == (1, "extends")


def test_chain_of_ten_files_and_not_eleven(tmp_path: Path, calibration: Calibration):
    (tmp_path / "1.yaml").write_text("title: x\nstrategies: {a: {}}\n")
    for number in range(2, 12):
        (tmp_path / f"{number}.yaml").write_text(f"extends: {number - 1}.yaml\n")
    assert len(load_scenario(tmp_path / "10.yaml", calibration=calibration).files) == 10
    assert "more than 10 files extend one another" in str(refusal(tmp_path / "11.yaml", calibration))


def test_mistakes_on_the_command_line(calibration: Calibration):
    overrides = {
        "surgery.dely": "0 days",
        "response.probability": "1.5",
        "surgery.delay": "42",
        "surgery.effect": ".nan",
    }
    error = refusal(HERE / "data/scenarios/outer.yaml", calibration, overrides=overrides, patients=0, seed=2**64)
    assert [(problem.file, problem.line, problem.key) for problem in error.problems] == [
        *(("--set", None, name) for name in overrides),
        ("--patients", None, ""),
        ("--seed", None, ""),
    ]
    assert "Did you mean 'surgery.delay'?" in str(error)
    assert "--set: surgery.delay: given 42 without a unit; write '42 months'" in str(error)


WORDS = (
    *(
        "title",
        "extends",
        "without",
        "population",
        "size",
        "preset",
        "regimen",
        "parameters",
        "strategies",
        "run",
        "seed",
    ),
    *("horizon", "surgery.delay", "surgery.effect", "response.probability", "haic", "invented", "", " a", "[key]", "a"),
)
NAMES = st.sampled_from(WORDS)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | NAMES
    | st.sampled_from(["9 weeks", "never", "50%", "-1 day"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(NAMES, VALUES), st.dictionaries(NAMES, st.text(max_size=10), max_size=2))
def test_whatever_is_written_is_a_scenario_or_a_refusal(
    tmp_path_factory: pytest.TempPathFactory, calibration: Calibration, data: dict, overrides: dict
):
    path = tmp_path_factory.getbasetemp() / "anything.yaml"
    path.write_text(yaml.safe_dump({"title": "x", "strategies": {"s": {}}} | data))
    result = attempt(path, calibration, overrides)
    if isinstance(result, InputError):
        assert result.problems
        assert all(problem.message for problem in result.problems)
    else:
        assert all(strategy.parameters for strategy in result.strategies)


def attempt(path: Path, calibration: Calibration, overrides: dict[str, str]) -> Scenario | InputError:
    try:
        return load_scenario(path, calibration=calibration, overrides=overrides)
    except InputError as error:
        return error
