"""Traces (protocol §7): recorded calls with their outcomes, made again on any driver."""
