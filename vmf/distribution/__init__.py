"""The distribution, fitted models of one or several, and their files."""

from vmf.distribution.von_mises_fisher import VonMisesFisher

__all__ = ["VonMisesFisher"]
