"""Measures, sums up and draws the times of programs."""
