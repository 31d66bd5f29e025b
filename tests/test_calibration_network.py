"""The network meta-analysis against closed forms, a direct integral, its own simulated truth, and the real evidence."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from hcc_sim.calibration.bridges import ENDPOINTS, Bridge, load_bridges
from hcc_sim.calibration.network import Network, NoPath, fit_network
from hcc_sim.calibration.network_model import HALF_NORMAL_MEDIAN, Assumptions, Bias, solve, tau_grid
from hcc_sim.figures import Evidence, Study
from hcc_sim.figures.schema import Decision

CALIBRATION = Path(__file__).parents[1] / "calibration"
OS, PFS = ENDPOINTS
Z = 4.0
NO_BIAS = Bias(0.0, 0.0, 0.0)
VAGUE = Assumptions(prior_sd=1000.0, fixed_tau=0.0)


@dataclass(frozen=True)
class Seen:
    """A log hazard ratio as a made-up study reports it."""

    study: str
    pair: str
    mean: float
    error: float
    endpoint: str = OS
    design: str = "randomised"


def evidence_of(
    *seen: Seen, sizes: dict[str, dict[str, int]] | None = None, decisions: tuple[Decision, ...] = ()
) -> Evidence:
    studies = {}
    for key in dict.fromkeys(one.study for one in seen):
        figures = []
        for number, one in enumerate(one for one in seen if one.study == key):
            regimen, comparator = one.pair.split(" v ")
            ends = [math.exp(one.mean + sign * 1.959963984540054 * one.error) for sign in (-1, 1)]
            figures.append(
                {
                    "id": f"{key}.hazard_ratio.n{number}", "document": "invented", "where": "nowhere",
                    "regimen": regimen, "comparator": comparator, "endpoint": one.endpoint, "measure": "hazard_ratio",
                    "value": math.exp(one.mean), "interval": ends, "level": 95, "unit": "ratio", "support": "source",
                    "kind": "reported", "status": "use", "reason": "an example",
                }
            )  # fmt: skip
        design = next(one.design for one in seen if one.study == key)
        arms = [{"regimen": name, "patients": size} for name, size in (sizes or {}).get(key, {}).items()]
        own = [decision for decision in decisions if decision.figures[0].startswith(f"{key}.")]
        studies[key] = Study.model_validate(
            {"study": key, "title": key, "design": design, "population": "nobody", "arms": arms, "figures": figures,
             "decisions": own}
        )  # fmt: skip
    return Evidence(studies, {})


def assert_effect(network: Network, pair: str, mean: float, sd: float, endpoint: str = OS) -> None:
    found = network.relative(*pair.split(" v "), endpoint)
    assert found[:2] == (pytest.approx(mean, abs=1e-5), pytest.approx(sd, rel=1e-5))


# --- closed forms -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tau", [0.0, 0.3])
def test_two_studies_of_one_pair_are_weighted_by_inverse_variance(tau: float) -> None:
    y, v = np.array([-0.5, -0.1]), np.array([0.1, 0.2]) ** 2 + tau**2
    seen = [Seen("s", "a v b", y[0], 0.1), Seen("t", "a v b", y[1], 0.2)]
    network = fit_network(evidence_of(*seen), (), (OS,), replace(VAGUE, fixed_tau=tau))
    assert_effect(network, "a v b", np.sum(y / v) / np.sum(1 / v), np.sum(1 / v) ** -0.5)
    assert_effect(network, "b v a", -np.sum(y / v) / np.sum(1 / v), np.sum(1 / v) ** -0.5)
    assert [residual.weight for residual in network.residuals] == pytest.approx(list(1 / v / np.sum(1 / v)), abs=1e-5)
    pooled = np.sum(y / v) / np.sum(1 / v)
    assert [residual.z for residual in network.residuals] == pytest.approx(list((y - pooled) / v**0.5), abs=1e-4)


def test_two_endpoints_lend_strength_as_by_generalised_least_squares() -> None:
    tau = 0.2
    seen = [Seen("s", "a v b", -0.5, 0.1), Seen("s", "a v b", -0.8, 0.12, PFS), Seen("t", "a v b", -0.1, 0.2, PFS)]
    network = fit_network(evidence_of(*seen), (), ENDPOINTS, replace(VAGUE, fixed_tau=tau))
    within, between = 0.5 * 0.1 * 0.12, 0.5 * tau**2
    covariance = np.array([[0.1**2 + tau**2, within + between, 0], [within + between, 0.12**2 + tau**2, 0], [0, 0, 0]])
    covariance[2, 2] = 0.2**2 + tau**2
    x = np.array([[1.0, 0], [0, 1], [0, 1]])
    information = x.T @ np.linalg.inv(covariance) @ x
    estimate = np.linalg.solve(information, x.T @ np.linalg.inv(covariance) @ [-0.5, -0.8, -0.1])
    sd = np.sqrt(np.diag(np.linalg.inv(information)))
    assert_effect(network, "a v b", estimate[0], sd[0])
    assert_effect(network, "a v b", estimate[1], sd[1], PFS)
    assert abs(estimate[0] + 0.5) > 0.05  # the second study, which reports no survival, speaks of it


@pytest.mark.parametrize(("size_of_a", "share_of_c"), [(100, 0.5), (300, 0.75)])
def test_a_shared_control_covaries_by_its_part_of_the_variance_and_half_of_tau_squared(
    size_of_a: int, share_of_c: float
) -> None:
    tau, seen = 0.2, [Seen("s", "a v c", -0.5, 0.1), Seen("s", "b v c", -0.2, 0.15)]
    sizes = {"s": {"a": size_of_a, "b": size_of_a, "c": 100}}
    network = fit_network(evidence_of(*seen, sizes=sizes), (), (OS,), replace(VAGUE, fixed_tau=tau))
    variance = 0.1**2 + 0.15**2 - 2 * share_of_c * 0.1 * 0.15 + tau**2
    assert_effect(network, "a v b", -0.3, variance**0.5)
    two_trials = fit_network(
        evidence_of(seen[0], replace(seen[1], study="t")), (), (OS,), replace(VAGUE, fixed_tau=tau)
    )
    assert two_trials.relative("a", "b", OS)[1] ** 2 == pytest.approx(0.1**2 + 0.15**2 + 2 * tau**2, rel=1e-4)


def test_it_does_not_matter_which_way_round_a_trial_prints_its_contrasts() -> None:
    one = [Seen("s", "a v c", -0.5, 0.1), Seen("s", "b v c", -0.2, 0.15), Seen("s", "a v c", -0.7, 0.1, PFS)]
    other = [one[0], Seen("s", "c v b", 0.2, 0.15), Seen("s", "c v a", 0.7, 0.1, PFS)]
    sizes = {"s": {"a": 90, "b": 150, "c": 100}}
    first, second = (fit_network(evidence_of(*seen, sizes=sizes), ()) for seen in (one, other))
    for pair, endpoint in (("a v b", OS), ("b v c", OS), ("a v c", PFS)):
        assert_effect(second, pair, *first.relative(*pair.split(" v "), endpoint)[:2], endpoint)


def test_a_prior_on_each_step_does_not_draw_a_hub_of_many_regimens_to_the_reference() -> None:
    spurs = [Seen(f"s{number}", f"x{number} v hub", -1.0, 0.1) for number in range(8)]
    network = fit_network(
        evidence_of(Seen("t", "hub v sorafenib", -0.8, 0.15), *spurs), (), (OS,), Assumptions(fixed_tau=0.0)
    )
    alone = 1 / (1 + 0.15**2)  # posterior of one study under N(0, 1)
    assert_effect(network, "hub v sorafenib", -0.8 * alone, (0.15**2 * alone) ** 0.5)
    spur = 1 / (1 + 0.1**2)
    assert_effect(network, "x1 v sorafenib", -0.8 * alone - spur, (0.15**2 * alone + 0.1**2 * spur) ** 0.5)


def test_a_cohort_is_moved_by_its_bias_and_widened() -> None:
    bias = Bias.halved(-0.15, 0.15)
    for design, expected, extra in (
        ("randomised", -0.4, 0.0),
        ("cohort", -0.25, 0.15),
        ("indirect comparison", -0.25, 0.3),
    ):
        network = fit_network(evidence_of(Seen("s", "a v b", -0.4, 0.1, design=design)), (), (OS,), VAGUE)
        assert_effect(network, "a v b", expected, math.hypot(0.1, extra))
    seen = [Seen(name, "a v b", -0.4, 0.1, design="cohort") for name in "stu"]
    network = fit_network(evidence_of(*seen), (), (OS,), VAGUE)
    assert_effect(
        network, "a v b", -0.25, math.sqrt((0.1**2 + bias.own**2) / 3 + bias.common**2)
    )  # never averaged away


def test_the_biases_of_both_endpoints_are_correlated() -> None:
    seen = [Seen("s", "a v b", -0.4, 0.1, endpoint, "cohort") for endpoint in ENDPOINTS]
    network = fit_network(evidence_of(*seen), (), ENDPOINTS, VAGUE)
    both = network.coefficients("a", "b", OS) + network.coefficients("a", "b", PFS)
    assert network.posterior.combination(both)[1] == pytest.approx(math.sqrt(3 * (0.1**2 + 0.15**2)), rel=1e-5)
    for endpoint in ENDPOINTS:
        assert network.bias("cohort", endpoint) == pytest.approx((-0.15, 0.15 * math.sqrt(0.5)), abs=1e-5)
    assert network.bias("randomised", OS) is None


def test_a_bridge_adds_its_variance_and_is_named() -> None:
    evidence = evidence_of(Seen("s", "a v b", -0.5, 0.1), Seen("t", "c v d", -0.3, 0.2))
    bridge = Bridge(
        "c", "b", OS, 1.0, math.exp(-1.959963984540054 * 0.3), math.exp(1.959963984540054 * 0.3), "assumed", "r"
    )
    network = fit_network(evidence, [bridge], (OS,), replace(VAGUE, fixed_tau=0.2))
    assert network.islands_before[OS] == (("a", "b"), ("c", "d"))
    assert network.islands[OS] == (("a", "b", "c", "d"),)
    mean, sd, crossed = network.relative("a", "d", OS)
    assert (mean, sd) == (
        pytest.approx(-0.8, abs=1e-5),
        pytest.approx(math.sqrt(0.01 + 0.04 + 0.09 + 2 * 0.2**2), rel=1e-5),
    )
    assert crossed == (bridge,)
    assert network.relative("a", "b", OS)[2] == ()


# --- another implementation -------------------------------------------------------------------------------------------


def test_against_a_direct_integral_of_a_triangle_with_unknown_heterogeneity() -> None:
    seen = [Seen("s", "a v sorafenib", -0.6, 0.15), Seen("t", "b v sorafenib", 0.1, 0.2), Seen("u", "b v a", 0.2, 0.15),
            Seen("w", "a v sorafenib", -0.1, 0.1, design="cohort")]  # fmt: skip
    network = fit_network(evidence_of(*seen), (), (OS,))
    a, b, tau = np.meshgrid(
        np.linspace(-2.2, 1.6, 191), np.linspace(-2.2, 2, 211), np.linspace(0.0, 1.3, 131), indexing="ij"
    )
    density = np.exp(-0.5 * (a**2 + b**2 + (tau * HALF_NORMAL_MEDIAN / 0.15) ** 2))
    for y, fitted, error in (
        (-0.6, a, 0.15),
        (0.1, b, 0.2),
        (0.2, b - a, 0.15),
        (-0.1 + 0.15, a, math.hypot(0.1, 0.15)),
    ):
        variance = error**2 + tau**2
        density *= np.exp(-0.5 * (y - fitted) ** 2 / variance) / np.sqrt(variance)
    density[:, :, 0] *= 0.5
    density /= density.sum()
    mean, sd = float((density * a).sum()), float(np.sqrt((density * a**2).sum() - (density * a).sum() ** 2))
    found = network.relative("a", "sorafenib", OS)
    assert found[:2] == (pytest.approx(mean, abs=2e-4), pytest.approx(sd, abs=2e-4))
    mean, sd = (
        float((density * (b - a)).sum()),
        float(np.sqrt((density * (b - a) ** 2).sum() - (density * (b - a)).sum() ** 2)),
    )
    assert network.relative("b", "a", OS)[:2] == (pytest.approx(mean, abs=2e-4), pytest.approx(sd, abs=2e-4))
    heterogeneity = network.tau(OS)
    assert heterogeneity.mean == pytest.approx(float((density * tau).sum()), abs=2e-4)
    below = np.cumsum(density.sum(axis=(0, 1)))
    for quantile, level in ((heterogeneity.low, 0.025), (heterogeneity.median, 0.5), (heterogeneity.high, 0.975)):
        assert quantile == pytest.approx(np.interp(level, below, np.linspace(0.005, 1.305, 131)), abs=0.01)


def test_the_grid_is_fine_enough(fitted: Network) -> None:
    finer = solve(fitted.model, *tau_grid(2, fitted.assumptions, 45))
    assert finer.mean == pytest.approx(fitted.posterior.mean, abs=1e-6)
    assert finer.weights @ finer.tau == pytest.approx(fitted.posterior.weights @ fitted.posterior.tau, abs=1e-6)


# --- simulated truth --------------------------------------------------------------------------------------------------

DESIGN = {"s": ("a", "sorafenib"), "t": ("a", "sorafenib"), "u": ("b", "a"), "v": ("b", "c", "sorafenib"),
          "w": ("b", "a"), "x": ("b", "a")}  # fmt: skip
COHORTS = ("w", "x")


def simulate(random: np.random.Generator) -> tuple[Evidence, dict[str, np.ndarray]]:
    """Evidence drawn arm by arm from the model, and the true effects v sorafenib, (overall, progression-free)."""

    def pair(sd: float, shape: tuple[int, ...] = ()) -> np.ndarray:
        first, second = random.normal(size=(2, *shape))
        return np.stack([first, 0.5 * first + math.sqrt(0.75) * second], axis=-1) * sd

    truth = {name: random.normal(size=2) for name in "ac"} | {"sorafenib": np.zeros(2)}
    truth["b"] = random.normal(size=2)
    tau = np.abs(random.normal(size=2)) * 0.15 / HALF_NORMAL_MEDIAN
    common = pair(0.15 * math.sqrt(0.5))
    seen = []
    for study, arms in DESIGN.items():
        error = random.uniform(0.08, 0.25)
        level = {arm: truth[arm] + pair(math.sqrt(0.5)) * tau + pair(error * math.sqrt(0.5)) for arm in arms}
        bias = -0.15 + common + pair(0.15 * math.sqrt(0.5)) if study in COHORTS else np.zeros(2)
        design = "cohort" if study in COHORTS else "randomised"
        for arm in arms[:-1]:
            y = level[arm] - level[arms[-1]] + bias
            seen += [Seen(study, f"{arm} v {arms[-1]}", float(y[e]), error, ENDPOINTS[e], design) for e in (0, 1)]
    return evidence_of(*seen), truth


@pytest.fixture(scope="module")
def simulated() -> list[tuple[Evidence, dict[str, np.ndarray]]]:
    random = np.random.default_rng(20240607)
    return [simulate(random) for _ in range(300)]


def squared_errors(simulated: list, assumptions: Assumptions) -> tuple[np.ndarray, np.ndarray]:
    """(truth - mean)^2 / variance of b v a for overall survival, and the errors; each has expectation 1 and 0."""
    z = []
    for evidence, truth in simulated:
        mean, sd, _ = fit_network(evidence, (), ENDPOINTS, assumptions).relative("b", "a", OS)
        z.append((truth["b"][0] - truth["a"][0] - mean) / sd)
    return np.square(z), np.array(z)


def band(sample: np.ndarray) -> float:
    return Z * float(np.std(sample, ddof=1)) / math.sqrt(len(sample))


def test_errors_are_as_large_as_the_network_says_and_a_wrong_model_is_found_out(simulated: list) -> None:
    square, z = squared_errors(simulated, Assumptions())
    assert band(square) < 0.5, "too few networks to see a variance wrong by half"
    assert band(z) < 0.3
    assert abs(square.mean() - 1.0) < band(square)
    assert abs(z.mean()) < band(z)
    assert abs(np.mean(square < 1.959963984540054**2) - 0.95) < Z * math.sqrt(0.95 * 0.05 / len(square))
    unbiased, shift = squared_errors(simulated, Assumptions(cohort=NO_BIAS))
    assert abs(shift.mean()) > band(shift), "a network blind to the bias of cohorts is off in one direction"
    certain, _ = squared_errors(simulated, Assumptions(fixed_tau=0.0, cohort=NO_BIAS))
    assert abs(certain.mean() - 1.0) > band(certain), "a network without heterogeneity is too sure"
    assert unbiased.mean() < certain.mean()


# --- leaving out, loops, no way ---------------------------------------------------------------------------------------


def test_a_study_left_out_is_predicted_with_its_own_error_and_bias() -> None:
    seen = [Seen("s", "a v b", -0.5, 0.1), Seen("t", "a v b", -0.1, 0.2, design="cohort"), Seen("t", "c v b", 0.0, 0.2)]
    network = fit_network(evidence_of(*seen), (), (OS,), replace(VAGUE, fixed_tau=0.3))
    first, second = network.predict_left_out("t")
    assert first.mean == pytest.approx(-0.65, abs=1e-5)
    sd = math.sqrt(0.1**2 + 0.3**2 + 0.2**2 + 0.3**2 + 0.15**2)
    assert first.sd == pytest.approx(sd, rel=1e-5)
    assert first.z == pytest.approx((-0.1 + 0.65) / sd, abs=1e-4)
    assert (second.mean, second.verdict) == (None, "unconnected without it")
    with pytest.raises(ValueError, match="no such study"):
        network.predict_left_out("u")


def test_studies_that_share_patients_are_left_out_together() -> None:
    seen = [Seen("s", "a v b", -0.5, 0.1), Seen("t", "a v b", -0.1, 0.2), Seen("u", "a v b", -0.3, 0.2)]
    figures = ["s.hazard_ratio.n0", "t.hazard_ratio.n0"]
    for words, without in (("One group of patients.", ("s", "t")), ("Taken for chance: other years.", ("s",))):
        decision = Decision.model_construct(rule="same_median_in_two_studies", figures=figures, decision=words)
        network = fit_network(evidence_of(*seen, decisions=(decision,)), (), (OS,), VAGUE)
        (prediction,) = network.predict_left_out("s")
        assert prediction.without == without


def test_a_loop_is_tested_by_going_round_it() -> None:
    seen = [Seen("s", "a v b", -0.5, 0.1), Seen("t", "c v b", 0.1, 0.2), Seen("u", "c v a", 0.2, 0.15)]
    network = fit_network(evidence_of(*seen), (), (OS,), replace(VAGUE, fixed_tau=0.1))
    (test,) = network.inconsistency()[OS]
    assert abs(test.difference) == pytest.approx(0.4)  # c v b directly 0.1, by way of a 0.2 - 0.5
    assert test.sd == pytest.approx(math.sqrt(0.1**2 + 0.2**2 + 0.15**2 + 3 * 0.1**2))
    assert test.p == pytest.approx(math.erfc(abs(test.z) / math.sqrt(2)))
    pooled = fit_network(evidence_of(*seen, replace(seen[0], study="w", mean=-0.1)), (), (OS,), VAGUE)
    assert abs(pooled.inconsistency()[OS][0].difference) == pytest.approx(0.2)
    three_arms = [replace(one, study="s") for one in (seen[0], seen[1])]
    cohorts = [replace(one, design="cohort") for one in seen[:2]]  # the common part cancels: both have b below
    biased = fit_network(evidence_of(*cohorts, seen[2]), (), (OS,), VAGUE).inconsistency()[OS][0]
    own = Bias.halved(-0.15, 0.15).own
    assert abs(biased.difference) == pytest.approx(0.4)
    assert biased.sd == pytest.approx(math.sqrt(0.1**2 + 0.2**2 + 0.15**2 + 2 * own**2))
    cohorts = [replace(seen[0], design="cohort"), replace(seen[2], design="cohort")]  # here it adds up
    biased = fit_network(evidence_of(*cohorts, seen[1]), (), (OS,), VAGUE).inconsistency()[OS][0]
    assert abs(biased.difference) == pytest.approx(0.4 - 2 * 0.15)
    assert biased.sd == pytest.approx(math.sqrt(0.1**2 + 0.2**2 + 0.15**2 + (2 + 4) * own**2))
    alone = fit_network(evidence_of(*three_arms), (), (OS,), VAGUE)
    assert alone.inconsistency()[OS] == "not assessable"
    beside = fit_network(evidence_of(*three_arms, seen[2]), (), (OS,), VAGUE)
    (test,) = beside.inconsistency()[OS]
    assert abs(test.difference) == pytest.approx(0.4)  # c v a of three arms is 0.6, in no figure
    assert test.sd == pytest.approx(math.sqrt(0.1**2 + 0.2**2 - 0.1 * 0.2 + 0.15**2))


def test_no_way_names_both_islands_and_the_bridge() -> None:
    network = fit_network(evidence_of(Seen("s", "a v b", -0.5, 0.1), Seen("t", "c v sorafenib", -0.3, 0.2)), (), (OS,))
    with pytest.raises(NoPath, match="'a'") as caught:
        network.relative("a", "c", OS)
    for told in ("island of a, b", "island of c, sorafenib", "'a v sorafenib'", "bridges.yaml", OS):
        assert told in str(caught.value)
    with pytest.raises(NoPath, match="no study compares 'x'"):
        network.relative("x", "a", OS)
    with pytest.raises(ValueError, match="unknown endpoint"):
        network.relative("a", "b", PFS)
    with pytest.raises(ValueError, match="unknown endpoint 'objective response'"):
        fit_network(Evidence({}, {}), (), ("objective response",))
    with pytest.raises(ValueError, match="no hazard ratio"):
        fit_network(Evidence({}, {}), ())


# --- draws ------------------------------------------------------------------------------------------------------------


def test_draws_are_the_same_bits_and_the_first_of_more(fitted: Network) -> None:
    few, more = fitted.draws(50, 7), fitted.draws(400, 7)
    assert np.array_equal(few.log_hazard_ratios, more.log_hazard_ratios[:50])
    assert np.array_equal(few.tau, more.tau[:50])
    assert not np.array_equal(few.log_hazard_ratios, fitted.draws(50, 8).log_hazard_ratios)
    assert len(fitted.draws(0, 7).tau) == 0


def test_draws_have_the_moments_of_the_posterior_across_endpoints_too(fitted: Network) -> None:
    draws = fitted.draws(40_000, 1)
    column = {(p.endpoint, p.name): number for number, p in enumerate(draws.parameters)}
    first = draws.log_hazard_ratios[:, column[OS, "haic_folfox"]]
    second = draws.log_hazard_ratios[:, column[PFS, "haic_folfox"]]
    for sample, endpoint in ((first, OS), (second, PFS)):
        mean, sd, _ = fitted.relative("haic_folfox", "sorafenib", endpoint)
        assert abs(sample.mean() - mean) < Z * sd / 200 < 0.01
        assert sample.std() == pytest.approx(sd, rel=0.03)
    both = fitted.coefficients("haic_folfox", "sorafenib", OS) + fitted.coefficients("haic_folfox", "sorafenib", PFS)
    assert (first + second).std() == pytest.approx(fitted.posterior.combination(both)[1], rel=0.03)
    assert np.corrcoef(first, second)[0, 1] > 0.3
    posterior = fitted.posterior
    name = fitted.model.parameters[0]
    expected = posterior.weights @ ((posterior.means[:, 0] - posterior.mean[0]) * posterior.tau[:, 0])
    expected /= fitted.relative(name.name, name.reference, name.endpoint)[1] * fitted.tau(OS).sd
    assert abs(np.corrcoef(draws.log_hazard_ratios[:, 0], draws.tau[:, 0])[0, 1] - expected) < Z / 200
    assert abs(draws.tau[:, 0].mean() - fitted.tau(OS).mean) < Z * fitted.tau(OS).sd / 200


# --- the evidence as it stands ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def fitted(evidence: Evidence) -> Network:
    return fit_network(evidence, load_bridges(CALIBRATION / "bridges.yaml", evidence))


def test_islands_and_loops_of_the_evidence(fitted: Network) -> None:
    assert [len(island) for island in fitted.islands_before[OS]] == [18, 3, 2, 2, 2]
    assert [len(island) for island in fitted.islands[OS]] == [23, 2, 2]
    assert [len(island) for island in fitted.islands_before[PFS]] == [18, 2, 2]
    assert [len(island) for island in fitted.islands[PFS]] == [22]
    assert set(fitted.inconsistency().values()) == {"not assessable"}
    assert "tace+sorafenib" not in fitted.islands[PFS][0]


def test_only_what_crosses_an_island_names_a_bridge(fitted: Network) -> None:
    for endpoint in ENDPOINTS:
        assert fitted.relative("tace+lenvatinib", "sorafenib", endpoint)[2] == ()
        (bridge,) = fitted.relative("haic+lenvatinib+pd1", "sorafenib", endpoint)[2]
        assert bridge.name == "lenvatinib+pd1 v lenvatinib+pembrolizumab"
        two = fitted.relative("haic+lenvatinib+pd1", "tace+ici+anti_vegf", endpoint)[2]
        assert len(two) == 2
    with pytest.raises(NoPath, match="adjuvant ici"):
        fitted.relative("adjuvant ici", "sorafenib", OS)


def test_a_trial_that_nothing_contradicts_is_believed(fitted: Network) -> None:
    residuals = {(r.ratio.study, r.ratio.endpoint): r for r in fitted.residuals}
    for study in ("reflect", "fohaic1", "launch", "stah"):
        for endpoint in ENDPOINTS:
            assert abs(residuals[study, endpoint].z) < 0.3
            assert residuals[study, endpoint].weight > 0.9
    assert residuals["deng_2023", OS].weight < 0.4  # beside the trial of the same pair


def test_the_only_pair_studied_twice_is_the_only_one_to_be_predicted(fitted: Network) -> None:
    predictions = [
        p for study in ("deng_2023", "li_2022", "chance001", "launch") for p in fitted.predict_left_out(study)
    ]
    known = {p.ratio.study: p for p in predictions if p.verdict == "predicted"}
    assert set(known) == {"deng_2023", "li_2022"}
    assert all(abs(p.z) < 2 for p in known.values() if p.z is not None)
    assert predictions[4].without == ("chance001", "chance2201", "chance2211")
