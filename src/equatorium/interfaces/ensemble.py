"""What has members: a mixin placed first, ``class Forest(Ensemble, Emulator)``."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

from equatorium.checks import FloatArray


class Ensemble(ABC):
    """A method made of members whose answers are combined.

    Attributes
    ----------
    members_ : sequence
        The fitted members.
    """

    members_: Sequence[Any]

    @abstractmethod
    def predict_members(self, X: Any) -> FloatArray:
        """Return every member's own prediction, shape (members, m, p)."""

    def member_spread(self, X: Any) -> FloatArray:
        """Return the members' standard deviation around their mean, shape (m, p).

        How far they disagree, which is a part of the uncertainty and not the whole.
        """
        spread: FloatArray = self.predict_members(X).std(axis=0)
        return spread
