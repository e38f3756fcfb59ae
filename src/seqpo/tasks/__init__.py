"""Where episodes happen: translation and control."""
