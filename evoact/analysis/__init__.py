"""The analysis of a run, from its leaderboard alone: its candidates and winners, verdicts with their statistics, how
its search moved, and which choices mattered.
"""
