"""What the pipeline calls its tests: `python check.py`; fails where the model is no good."""

from train import train  # type: ignore[import-not-found]  # it stands alone

_, accuracy = train(5)
if accuracy < 0.9:
    raise SystemExit(f"accuracy {accuracy:.3f} is below 0.9")
