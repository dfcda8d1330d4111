"""The parity report: one HTML file that needs nothing else."""

from .page import render, render_file, write_report

__all__ = ["render", "render_file", "write_report"]
