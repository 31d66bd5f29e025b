"""Visits: when somebody looks, what the visit may show, and false alarms."""

from __future__ import annotations

from hcc_sim.pathway.hcc.patient import nothing_unseen, something_unseen
from hcc_sim.pathway.model import Action, Schedule, Set, TimedExit, Visit

FOREVER = float("inf")

therapy_scans = Schedule("therapy scans", "therapy.scan_interval", "start of therapy", "visits.scatter")
watching_scans = Schedule("watching scans", "watching.interval", "conversion", "visits.scatter")
marker_tests = Schedule("marker tests", "watching.marker_interval", "conversion", "visits.scatter")
follow_up_scans = Schedule(
    "follow-up scans",
    (("follow_up.early_months", "follow_up.early_interval"), (FOREVER, "follow_up.late_interval")),
    "last curative treatment",
    "visits.scatter",
)

BY_SCAN: tuple[Action, ...] = (Set("marker test", 0),)
BY_MARKER: tuple[Action, ...] = (Set("marker test", 1),)
SHOWN = "what the visit shows"


def scan(name: str, schedule: Schedule) -> Visit:
    """A scan that has something to show, whether it will or not."""
    return Visit(name, schedule, to=SHOWN, when=something_unseen, does=BY_SCAN)


def _false_alarm(name: str, schedule: Schedule, probability: str) -> Visit:
    return Visit(name, schedule, to="confirmation", when=nothing_unseen, probability=probability)


VISITS_WHILE_WATCHED: tuple[TimedExit, ...] = (
    scan("watching scan", watching_scans),
    Visit("marker test", marker_tests, to=SHOWN, when=something_unseen, does=BY_MARKER),
    _false_alarm("false alarm of a scan", watching_scans, "imaging.false_positive_rate"),
    _false_alarm("false alarm of a marker", marker_tests, "marker.false_positive_rate"),
)
VISITS_AFTER_SURGERY: tuple[TimedExit, ...] = (
    scan("follow-up scan", follow_up_scans),
    _false_alarm("false alarm in follow-up", follow_up_scans, "imaging.false_positive_rate"),
)
