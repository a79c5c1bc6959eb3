"""
The Functions host for one laptop: runs an unpacked function app as Azure would run it.

Microsoft's own Python worker library (`azure-functions-runtime`) loads the app and calls its
functions. This package does what the host does on Azure: HTTP routes and keys, timers, queues,
host.json, logs. It imports nothing from the rest of the emulator.
`python -m emulator.functions_host --app DIR --port N --keys FILE`.
"""
