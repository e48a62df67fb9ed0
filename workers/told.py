"""What a run that was not this worker's to end tells: text for the log, and Flower must not take it for a success."""


class GivenUp(str):
    """The run was lost, and another attempt follows or runs already."""

    __slots__ = ()


class Refused(str):
    """The message asked for a run that is not to be begun (any more)."""

    __slots__ = ()
