"""Measurements: figures that are taken side by side on this machine, each held against a goal."""
