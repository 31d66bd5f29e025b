"""Calibration: from reported figures to a joint distribution of the pathway's parameters."""
