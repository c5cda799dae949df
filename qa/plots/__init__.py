"""The project's own plots: solutions with their statistics, flags, calibrated visibilities, gates, first images."""
