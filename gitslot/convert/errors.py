"""The errors of training; those of the registry are in gitslot.errors."""


class TrainingError(Exception):
    """Training stops; the message has the problem, its place and the fix."""


class UnknownName(TrainingError):
    """A name in the command is unknown to training, or cannot be a name."""


class ParityError(TrainingError):
    """The ONNX model answers differently from the scikit-learn model, so it is not registered."""
