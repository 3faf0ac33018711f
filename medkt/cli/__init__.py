"""The command line, one file a command: arguments into a request, a call, and what came of it in print; nothing is computed here."""
