"""How a pass ends that a signal stopped and that can be gone on with."""

from __future__ import annotations


class PassStopped(BaseException):
    """A pass was ended by a signal after its checkpoint was written; ``str()`` says how to go on.

    Its ``__cause__`` is the KeyboardInterrupt or SystemExit that ended it. Not an Exception, as
    these are not, so that no handler of errors goes on as if nothing had happened.
    """
