"""The leaderboard: submissions -> a static site."""
