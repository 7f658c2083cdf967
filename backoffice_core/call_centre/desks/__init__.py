"""Agents at work: seats and states, the card that pops, preview, wrap-up, the check of a line."""
