"""The mail that brings the report: what it says, how it is built, and how it is sent once."""
