"""A static site over many studies: a leaderboard, and a page of each study."""
