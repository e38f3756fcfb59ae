"""Simultaneous translation: corpora, schedules, traces, latency, quality, rewards, fixed policies."""
