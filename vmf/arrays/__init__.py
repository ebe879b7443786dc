"""Rows in arrays: of which library, what a usable row is, blocks of bounded size."""
