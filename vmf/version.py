"""The version of the toolkit, for those that say which one made something."""

__version__ = "0.1.0"
