"""How long something will take and how much memory, before it is done: passes through the networks, counted, and this machine's speed, measured. Nothing is done here that is estimated."""
