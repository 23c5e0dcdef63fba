"""What can go wrong when a net is asked for by name.

ModelError (a ValueError)
├── DuplicateModelError   two nets registered under one name
├── UnknownModelError     no net of this name
├── UnknownOptionError    the net has no variant argument of this name
├── InvalidOptionError    an argument whose value the net cannot be built with
└── InputTooSmallError    the input is smaller than the net's layers can take
"""


class ModelError(ValueError):
    """Base of every error that this package raises on purpose."""


class DuplicateModelError(ModelError):
    """Two architectures were registered under one name."""


class UnknownModelError(ModelError):
    """No architecture has this name; the message lists close matches."""


class UnknownOptionError(ModelError):
    """The architecture has no such variant argument; the message lists those it has."""


class InvalidOptionError(ModelError):
    """An argument has the wrong type, or a value that the net cannot be built with."""


class InputTooSmallError(ModelError):
    """The input size is below the architecture's minimum, which the message states."""
