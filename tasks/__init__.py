"""One CASA act per module, each a typed Prefect task; `tasks.casa` is the only door to CASA."""
