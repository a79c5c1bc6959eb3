"""
The Functions host for one laptop: runs an unpacked function app as Azure would run it.

Microsoft's own Python worker library (`azure-functions-runtime`) loads the app and calls its
functions; this package is what stands in front of it on Azure: HTTP routes and keys, timers,
host.json, logs. `python -m emulator.functions_host --app DIR --port N --keys FILE`.
"""
