"""The parity report: one HTML file that needs nothing else."""

from .coverage import Rule, render_coverage
from .page import render, render_file, write_report
from .roundtrips import render_roundtrips

__all__ = ["Rule", "render", "render_coverage", "render_file", "render_roundtrips", "write_report"]
