"""The searches: what they propose, generation by generation, from the results so far.

Each name of a strategy has its module; `warm_start` and `islands` are around any of them, and `probes` are networks
that some begin with."""
