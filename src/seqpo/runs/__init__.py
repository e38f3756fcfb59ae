"""Runs: any kind of task from a recipe to weights and a report. Knows no task, policy or engine by name."""
