"""What a user may ask for: a request for each command, and the function that carries it out and returns what it came to. Nothing is printed here.

A request is a frozen dataclass of options with their texts (`medkt.requests.option`); importing one loads no model's package.
Nothing here prints: who wants to be told how the work goes on gives a `Listener`.
"""
