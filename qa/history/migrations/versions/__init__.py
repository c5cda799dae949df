"""One file per version of the history's tables, each named by its number."""
