"""What the emulator needs of this machine: processes, ports, files, certificates and Azurite."""
