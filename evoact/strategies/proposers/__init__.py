"""The searches, a module each: what they propose, generation by generation, from the results so far."""
