"""Measures and judges, never repairs: metrics, expectation suites, gates."""
