"""German to English: the words, the inflection, and the rules that derive both sentences at once."""
