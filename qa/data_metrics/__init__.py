"""Metrics of the data themselves: what was observed, flagged, modelled, applied, and what came out."""
