"""
A function app as people release one without gitslot, after the article that began this.

``pipeline.sh`` tests, trains and zips the model beside the code (build.sh), deploys the zip to
staging and swaps (release.sh).
"""
