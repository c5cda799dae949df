"""The history of all runs: a small database of verdicts, flux densities, delays and solution counts by night."""
