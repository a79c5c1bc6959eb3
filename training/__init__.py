"""
The example: from data to a registered version, offline. Nothing here is ever shipped.

Replace `load` in data.py and `build` in pipeline.py with your own. The rest stays: train.py fits
and evaluates; gitslot.convert converts to ONNX, proves that it answers as scikit-learn does,
describes and registers. `python -m training` is the command line.
"""
