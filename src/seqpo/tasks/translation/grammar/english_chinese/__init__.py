"""English to Chinese: the words, and the rules that derive both sentences at once."""
