"""Metrics: pure functions from solution tables to measurements, one module per kind of solve."""
