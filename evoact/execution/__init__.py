"""Carrying a search out: in this process, or on a Ray cluster, by the same few calls."""
