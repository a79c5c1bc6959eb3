"""
From data to a registered version, offline: nothing here is ever shipped.

Replace `load` in data.py and `build` in pipeline.py with your own; the rest follows: train.py fits
and judges, gitslot.convert converts to ONNX, proves that it answers as scikit-learn does, describes
and registers. `python -m training` is the command line.
"""
