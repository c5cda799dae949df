"""What runs, in which order: the calibration flow and the ``gatecal`` command."""
