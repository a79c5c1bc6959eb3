"""What training refuses; errors of the registry are those of gitslot.errors."""


class TrainingError(Exception):
    """Training stops; the message says what, where and how to fix it."""


class UnknownName(TrainingError):
    """A name in the command is not one that training knows, or cannot be a name at all."""


class ParityError(TrainingError):
    """The ONNX model does not answer as the scikit-learn model does, so it is not registered."""
