"""
A function app as people release one without gitslot, after the article that began this.

``pipeline.sh`` tests, trains, zips the model beside the code, deploys the zip to staging, swaps.
"""
