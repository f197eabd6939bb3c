"""Speed of PixSim7 beside its peers: one command, one machine, one run."""
