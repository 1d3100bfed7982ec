"""What a finished run shows, from its leaderboard alone."""
