"""Typed records that every room of gatecal speaks in; imports nothing of ours."""
