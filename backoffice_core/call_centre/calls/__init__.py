"""One call from its claim to the case history: attempts and legs, what was heard of them, settling, recordings, key figures."""
